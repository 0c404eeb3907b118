// Documents: what a page says of the repository is there.
//
//   P1. A path in backticks or in a link, from the root or from the page, leads to a file or a folder.
//   P2. A command `npm run x` is a script of package.json.
//   P3. The tree of ARCHITECTURE.md has every part there is below src/.
import { posix } from 'node:path';
import type { Finding, TreeFile } from './tree.ts';
import { placeOf } from './zones.ts';

const ROOTED = /^(?:src|test|scripts|examples|bench|docs|decisions|bin)\/[\w./-]*$/;

export function checkDocuments(tree: readonly TreeFile[]): readonly Finding[] {
  const there = new Set<string>();
  for (const { path } of tree) {
    for (let at = path; at !== '.'; at = posix.dirname(at)) there.add(at);
  }
  const manifest = tree.find((file) => file.path === 'package.json')?.text ?? '{}';
  const { scripts = {} } = JSON.parse(manifest) as { scripts?: Record<string, string> };

  const findings: Finding[] = [];
  for (const { path, text } of tree) {
    if (!path.endsWith('.md')) continue;
    for (const [index, line] of text.split('\n').entries()) {
      for (const message of wrongIn(path, line, there, scripts)) {
        findings.push({ rule: 'document', path, line: index + 1, message });
      }
    }
  }
  const page = tree.find((file) => file.path === 'ARCHITECTURE.md');
  return page === undefined ? findings : [...findings, ...missingIn(page, tree)];
}

/** P3. */
function missingIn({ path: page, text }: TreeFile, tree: readonly TreeFile[]): readonly Finding[] {
  const rows = new Set<string>();
  let top = '';
  for (const [, indent = '', name = ''] of text.matchAll(/^( {2}| {4})([\w-]+)\/ /gm)) {
    if (indent.length === 2) top = name;
    rows.add(indent.length === 2 ? name : `${top}/${name}`);
  }
  const files = tree.filter(({ path }) => path.startsWith('src/') && path !== 'src/index.ts');
  const parts = new Set(files.flatMap(({ path }) => placeOf(path)?.part ?? []));
  return [...parts]
    .filter((part) => !rows.has(part))
    .map((part) => ({ rule: 'document', path: page, line: 0, message: `src/${part}/ is not in the tree` }));
}

function wrongIn(
  page: string,
  line: string,
  there: ReadonlySet<string>,
  scripts: Readonly<Record<string, string>>,
): readonly string[] {
  const messages: string[] = [];
  const has = (path: string): boolean => there.has(posix.normalize(path).replace(/\/$/, ''));
  for (const [, path = ''] of line.matchAll(/`([^`]+)`/g)) {
    if (ROOTED.test(path) && !has(path)) messages.push(`${path} is not there`);
  }
  for (const [, link = ''] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
    const [path = ''] = link.split('#');
    if (path === '' || /^[a-z]+:/.test(path)) continue;
    if (!has(posix.join(posix.dirname(page), path))) messages.push(`${path} is not there`);
  }
  for (const [, script = ''] of line.matchAll(/\bnpm run ([\w:-]+)/g)) {
    if (!(script in scripts)) messages.push(`npm run ${script} is not a script`);
  }
  return messages;
}
