// Libraries: which folder a package lives in.
//
//   L1. One package, one folder. What is not in the table is not imported below src/.
//   L2. A package marked `late` is an optional peer: only `await import` may load it, so that the others start without it.
//   L3. A dependency that nobody imports leaves package.json.
import { isCode, targetOf, type Source } from './source.ts';
import type { Finding, TreeFile } from './tree.ts';

interface Row {
  folders: readonly string[];
  late?: true;
}

const TABLE: Readonly<Record<string, Row>> = {
  '@agentclientprotocol/sdk': { folders: ['src/agent/acp'], late: true },
  '@modelcontextprotocol/client': { folders: ['src/tool/mcp'], late: true },
  '@modelcontextprotocol/server': { folders: ['src/face/mcp'] },
  '@ai-sdk/anthropic': { folders: ['src/agent/ai-sdk'], late: true },
  '@ai-sdk/openai-compatible': { folders: ['src/agent/ai-sdk'], late: true },
  // The browser makes an agent of the SDK's own; the adapter beside it runs that one as any other.
  ai: { folders: ['src/agent/ai-sdk', 'src/agent/browser'], late: true },
  'playwright-core': { folders: ['src/agent/browser'], late: true },
  commander: { folders: ['src/cli'] },
  'eventsource-parser': { folders: ['src/client'] },
  minidenticons: { folders: ['src/identity'] },
  // Its tables are large: only in the thread that counts.
  'gpt-tokenizer': { folders: ['src/context'] },
  // Both only in the thread that searches.
  'json-p3': { folders: ['src/context'] },
  re2js: { folders: ['src/context'] },
  zod: { folders: ['src/wire'] },
  'zod-openapi': { folders: ['src/face/http'] },
  'node:sqlite': { folders: ['src/store/sqlite'] },
  'node:child_process': { folders: ['src/process', 'src/cli'] },
};

interface Manifest {
  name: string;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  devDependencies?: Record<string, string>;
}

export function checkLibraries(tree: readonly TreeFile[], sources: readonly Source[]): readonly Finding[] {
  const text = tree.find((file) => file.path === 'package.json')?.text;
  if (text === undefined) return [];
  const manifest = JSON.parse(text) as Manifest;
  const findings: Finding[] = [];
  const used = new Set<string>();
  for (const source of sources) {
    for (const item of source.imports) {
      const target = targetOf(source.path, item.specifier);
      if (!('library' in target) || item.kind === 'url') continue;
      used.add(target.library);
      const message = checkImport(manifest, source.path, target.library, item.kind);
      if (message !== undefined)
        findings.push({ rule: 'library', path: source.path, line: item.line, message });
    }
  }
  return [...findings, ...checkManifest(manifest, used, tree)];
}

function checkImport(manifest: Manifest, path: string, library: string, kind: string): string | undefined {
  const isOurs = library === manifest.name || library.startsWith('#');
  if (path.startsWith('src/')) {
    if (isOurs) return `imports the package itself: use a relative path`;
    const row = TABLE[library];
    if (row === undefined) {
      return library.startsWith('node:')
        ? undefined
        : `${library} has no folder in scripts/tidy/libraries.ts`;
    }
    if (kind !== 'type' && !row.folders.some((folder) => path.startsWith(`${folder}/`))) {
      return `${library} lives in ${row.folders.join(' or ')}`;
    }
    if (row.late && kind === 'value') return `${library} is optional: load it by \`await import\``;
  }
  const named = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.devDependencies };
  return isOurs || library.startsWith('node:') || library in named
    ? undefined
    : `${library} is not in package.json`;
}

function checkManifest(
  manifest: Manifest,
  used: ReadonlySet<string>,
  tree: readonly TreeFile[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (message: string): void => {
    findings.push({ rule: 'library', path: 'package.json', line: 0, message });
  };
  for (const library of Object.keys(manifest.dependencies ?? {})) {
    if (!used.has(library)) say(`${library} is a dependency, and nothing imports it`);
    if (TABLE[library]?.late) say(`${library} is optional: it belongs in peerDependencies`);
  }
  for (const library of Object.keys(manifest.peerDependencies ?? {})) {
    const isOptional = manifest.peerDependenciesMeta?.[library]?.optional === true;
    if (!isOptional) say(`${library} must be optional in peerDependenciesMeta`);
    if (!used.has(library)) say(`${library} is a peer, and nothing imports it`);
  }
  // Tools are named in scripts or configuration instead of being imported.
  const elsewhere = tree.filter((file) => !isCode(file.path) && !file.path.endsWith('package-lock.json'));
  for (const library of Object.keys(manifest.devDependencies ?? {})) {
    const isType = library.startsWith('@types/');
    if (isType || used.has(library) || elsewhere.some((file) => mentions(file, library))) continue;
    say(`${library} is a development dependency, and nothing uses it`);
  }
  return findings;
}

/** Tools that a script or a setting brings in under another name than their own. */
const KNOWN_AS: Readonly<Record<string, string>> = {
  typescript: 'tsc',
  'oxlint-tsgolint': '"typeAware": true',
};

function mentions(file: TreeFile, library: string): boolean {
  const text = file.path === 'package.json' ? scriptsOf(file.text) : file.text;
  return text.includes(KNOWN_AS[library] ?? library);
}

function scriptsOf(manifest: string): string {
  const { scripts = {} } = JSON.parse(manifest) as { scripts?: Record<string, string> };
  return Object.values(scripts).join('\n');
}
