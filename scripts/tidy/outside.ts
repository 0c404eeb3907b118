// Outside: where time, chance, the environment and the terminal may be touched. Everywhere else they are handed in,
// so that a test moves the clock by hand and a replay gives the same answer.
//
//   O1. `ALLOWED` names a file or a folder (with `/` at its end), and why. A row that is not needed any more is a finding.
import { nameOf, walk, type Node, type Source } from './source.ts';
import type { Finding } from './tree.ts';

interface Area {
  name: string;
  /** Members of well-known objects. */
  members: readonly string[];
  /** Globals and imported functions. */
  names: readonly string[];
  instead: string;
}

const AREAS: readonly Area[] = [
  {
    name: 'time',
    members: [
      'Date.now',
      'performance.now',
      'process.hrtime',
      'AbortSignal.timeout',
      'timers.setTimeout',
      'globalThis.setTimeout',
      'globalThis.setInterval',
    ],
    names: ['setTimeout', 'setInterval'],
    instead: 'take a Clock',
  },
  {
    name: 'chance',
    members: ['Math.random', 'crypto.randomUUID', 'crypto.getRandomValues', 'crypto.randomBytes'],
    names: ['randomUUID', 'randomUUIDv7', 'randomBytes', 'randomInt', 'getRandomValues'],
    instead: 'take Ids',
  },
  { name: 'environment', members: ['process.env', 'process.argv'], names: [], instead: 'take an option' },
  {
    name: 'terminal',
    members: ['process.stdout', 'process.stderr', 'process.stdin'],
    names: ['console'],
    instead: 'take a Logger',
  },
];

interface Allowed {
  area: string;
  path: string;
  why: string;
}

const ALLOWED: readonly Allowed[] = [
  { area: 'time', path: 'src/kernel/clock.ts', why: 'It is the clock.' },
  { area: 'chance', path: 'src/kernel/ids.ts', why: 'It is where ids come from.' },
  {
    area: 'time',
    path: 'src/client/connection.ts',
    why: "The default of its clock: a client's wait keeps its process alive, which the runtime's clock never does.",
  },
  {
    area: 'chance',
    path: 'src/client/connection.ts',
    why: 'The defaults of its ids and of the spread of its retries: the kernel makes ids with Node, a page cannot.',
  },
  {
    area: 'environment',
    path: 'src/process/environment.ts',
    why: 'What a process is told of ours is decided there, by an allow-list.',
  },
  { area: 'environment', path: 'src/cli/', why: 'The command line is the only reader of the environment.' },
  { area: 'terminal', path: 'src/cli/', why: 'The command line is what a person looks at.' },
];

const IMPORTED: Readonly<Record<string, string>> = {
  'node:timers': 'time',
  'node:timers/promises': 'time',
  'node:console': 'terminal',
};

export function checkOutside(sources: readonly Source[]): readonly Finding[] {
  const findings: Finding[] = [];
  const needed = new Set<Allowed>();
  for (const source of sources) {
    if (!source.path.startsWith('src/')) continue;
    for (const touch of touches(source)) {
      const row = ALLOWED.find(
        ({ area, path }) =>
          area === touch.area && (path.endsWith('/') ? source.path.startsWith(path) : path === source.path),
      );
      if (row !== undefined) needed.add(row);
      else findings.push({ rule: 'outside', path: source.path, line: touch.line, message: touch.message });
    }
  }
  for (const row of ALLOWED) {
    const exists = sources.some((source) => source.path.startsWith(row.path));
    if (needed.has(row) || (row.path.endsWith('/') && !exists)) continue;
    const message = `${row.path} does not need ${row.area} any more: remove its row from ALLOWED`;
    findings.push({ rule: 'outside', path: 'scripts/tidy/outside.ts', line: 0, message });
  }
  return findings;
}

interface Touch {
  area: string;
  line: number;
  message: string;
}

function touches(source: Source): readonly Touch[] {
  const found: Touch[] = [];
  for (const item of source.imports) {
    const area = IMPORTED[item.specifier];
    if (area !== undefined) found.push({ area, line: item.line, message: `imports ${item.specifier}` });
  }
  walk(source.program, (node, parents) => {
    const name = touchOf(node, parents);
    const area = AREAS.find(({ members, names }) => members.includes(name) || names.includes(name));
    if (area === undefined) return;
    found.push({ area: area.name, line: source.line(node.start), message: `${name}: ${area.instead}` });
  });
  return found;
}

/** `Date.now` for a member, `setTimeout` for a bare name that is read, and nothing for anything else. */
function touchOf(node: Node, parents: readonly Node[]): string {
  if (node.type === 'NewExpression' && nameOf(node['callee']) === 'Date') {
    return (node['arguments'] as unknown[]).length === 0 ? 'Date.now' : '';
  }
  if (node.type === 'MemberExpression') return `${nameOf(node['object'])}.${nameOf(node['property'])}`;
  const name = nameOf(node);
  const parent = parents.at(-1);
  if (name === undefined || parent === undefined) return '';
  const isKey = parent['computed'] !== true && (parent['key'] === node || parent['property'] === node);
  return isKey || /^(Import|Export|TS)/.test(parent.type) ? '' : name;
}
