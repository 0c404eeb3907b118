// Zones: who may import whom. This table is the import chain of ARCHITECTURE.md.
//
//   Z1. Every file of code is in exactly one zone; a file that fits none is a finding, so a new folder must say where it stands.
//   Z2. A row names all it may import, by zone or by part. `types` may be named by `import type` only.
//   Z3. In a zone of many parts (contracts, backends, faces) a part sees itself, never a sibling.
//   Z4. What the client runs, directly or not, needs nothing that a browser lacks.
import { isCode, targetOf, type Import, type Source } from './source.ts';
import type { Finding } from './tree.ts';

const CONTRACTS = ['store', 'bus', 'agent', 'tool'];
const DOMAIN = [
  'keeper',
  'process',
  'identity',
  'log',
  'context',
  'session',
  'runtime',
  'client',
  'testing',
  'cli',
];

interface Row {
  values: readonly string[];
  types?: readonly string[];
  /** May be started as a thread or a process of its own. */
  starts?: readonly string[];
  /** Said after "may not import": what to do instead. */
  instead?: string;
}

const LEFT_OF_IDENTITY = ['kernel', 'wire', 'keeper', 'process', 'contract'];
const LEFT_OF_SESSION = [...LEFT_OF_IDENTITY, 'identity', 'log', 'context'];
const ANYTHING = 'anything';

const ROWS: Readonly<Record<string, Row>> = {
  kernel: { values: [] },
  wire: { values: ['kernel'] },
  keeper: { values: ['kernel', 'wire'] },
  process: { values: ['kernel', 'wire'] },
  contract: { values: ['kernel'], types: ['wire'] },
  backend: { values: ['kernel', 'process', 'own contract'], types: ['wire'] },
  identity: { values: LEFT_OF_IDENTITY },
  log: { values: [...LEFT_OF_IDENTITY, 'identity'] },
  context: { values: [...LEFT_OF_IDENTITY, 'identity', 'log'] },
  session: { values: LEFT_OF_SESSION },
  runtime: { values: [...LEFT_OF_SESSION, 'session'] },
  'face contract': {
    values: ['kernel', 'wire', 'keeper', 'process', 'identity', 'log', 'context', 'runtime'],
    instead: 'ask the runtime; StoredEvent comes through src/log',
  },
  face: {
    values: ['kernel', 'wire', 'keeper', 'process', 'identity', 'log', 'context', 'runtime', 'own contract'],
    instead: 'ask the runtime; StoredEvent comes through src/log',
  },
  client: { values: ['kernel', 'wire'] },
  testing: { values: [...LEFT_OF_SESSION, 'session', 'runtime', 'backend'] },
  // `defineAgent` is the function adapter under the name that newcomers look for.
  'front door': { values: [...LEFT_OF_SESSION, 'session', 'runtime', 'agent/function'] },
  cli: {
    values: [
      ...LEFT_OF_SESSION,
      'session',
      'runtime',
      'backend',
      'face contract',
      'face',
      'client',
      'front door',
    ],
  },
  bin: { values: ['cli'] },
  examples: {
    values: [],
    starts: ['cli', 'test'], // A server, and the agent that says back what it hears.
    instead: 'import sojourn by its published names, as a reader of the example would',
  },
  bench: { values: [ANYTHING] },
  test: { values: [ANYTHING] },
  scripts: { values: [ANYTHING] },
};

export interface Place {
  zone: string;
  /** The part of the zone: what may see itself. */
  part: string;
}

export function placeOf(path: string): Place | undefined {
  const [top = '', folder = '', third = ''] = path.split('/');
  if (top !== 'src') {
    if (/^vitest\..*config\.ts$/.test(path)) return { zone: 'scripts', part: path };
    return folder !== '' && top in ROWS && top !== 'src' ? { zone: top, part: top } : undefined;
  }
  if (path === 'src/index.ts') return { zone: 'front door', part: path };
  if (folder === 'kernel' || folder === 'wire') return { zone: folder, part: folder };
  const nested = third !== '' && !isCode(third);
  if (CONTRACTS.includes(folder)) {
    return nested ? { zone: 'backend', part: `${folder}/${third}` } : { zone: 'contract', part: folder };
  }
  if (folder === 'face') {
    return nested ? { zone: 'face', part: `face/${third}` } : { zone: 'face contract', part: 'face' };
  }
  return DOMAIN.includes(folder) ? { zone: folder, part: folder } : undefined;
}

export function checkZones(sources: readonly Source[]): readonly Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const findings: Finding[] = [];
  for (const source of sources) {
    const place = placeOf(source.path);
    if (place === undefined) {
      const message =
        'is in no zone: put it where it belongs, or give its folder a row in scripts/tidy/zones.ts';
      findings.push({ rule: 'zone', path: source.path, line: 0, message });
      continue;
    }
    for (const item of source.imports) {
      const message = checkImport(source.path, place, item);
      if (message !== undefined) findings.push({ rule: 'zone', path: source.path, line: item.line, message });
    }
    if (place.zone === 'client') findings.push(...checkBrowser(source, byPath));
  }
  return findings;
}

function checkImport(path: string, from: Place, item: Import): string | undefined {
  const row = ROWS[from.zone];
  const target = targetOf(path, item.specifier);
  if (row === undefined || row.values.includes(ANYTHING) || 'library' in target) return undefined;
  // Built files and assets are no source; that a path exists is the type checker's business.
  const to = isCode(target.path) ? placeOf(target.path) : undefined;
  if (to === undefined || (from.zone === to.zone && from.part === to.part)) return undefined;

  const names = [to.zone, to.part, from.part.startsWith(`${to.part}/`) ? 'own contract' : ''];
  if (names.some((name) => row.values.includes(name))) return undefined;
  if (item.kind === 'url' && names.some((name) => row.starts?.includes(name))) return undefined;
  if (names.some((name) => row.types?.includes(name))) {
    if (item.kind === 'type') return undefined;
    return `${from.part} may import ${to.part} by \`import type\` only (${item.specifier})`;
  }
  const instead = row.instead === undefined ? '' : `: ${row.instead}`;
  return `${from.part} may not import ${to.part} (${item.specifier})${instead}`;
}

/** Z4: follows values through kernel and wire too. */
function checkBrowser(source: Source, byPath: ReadonlyMap<string, Source>): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Set([source.path]);
  const queue = [{ at: source, line: 0 }];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const item of next.at.imports) {
      if (item.kind === 'type') continue;
      const line = next.line === 0 ? item.line : next.line;
      if (item.specifier.startsWith('node:')) {
        const message = `must run in a browser, but ${next.at.path} imports ${item.specifier}`;
        findings.push({ rule: 'browser', path: source.path, line, message });
      }
      const target = targetOf(next.at.path, item.specifier);
      const found = 'path' in target ? byPath.get(target.path) : undefined;
      if (found === undefined || seen.has(found.path)) continue;
      seen.add(found.path);
      // Other files of the client answer for themselves.
      if (placeOf(found.path)?.zone !== 'client') queue.push({ at: found, line });
    }
  }
  return findings;
}
