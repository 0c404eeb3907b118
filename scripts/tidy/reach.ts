// Reach: a file of code that no entry point, test or script leads to is dead.
//
//   R1. Roots are what package.json and the CI script name, tests, numbered examples, and tool settings.
//   R2. An edge is an import, or a string that names another file: that is how children and workers are started.
import { posix } from 'node:path';
import { isCode, targetOf, textOf, walk, type Source } from './source.ts';
import type { Finding, TreeFile } from './tree.ts';

const ROOTS = [/\.test\.ts$/, /^examples\/\d+-/, /^[^/]+\.config\.ts$/, /^bin\//];

export function checkReach(tree: readonly TreeFile[], sources: readonly Source[]): readonly Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const queue: string[] = [];
  const reach = (path: string): void => {
    if (!byPath.has(path) || reached.has(path)) return;
    reached.add(path);
    queue.push(path);
  };

  for (const path of byPath.keys()) if (ROOTS.some((root) => root.test(path))) reach(path);
  for (const file of tree) {
    if (file.path !== 'package.json' && !file.path.startsWith('.ci/')) continue;
    for (const path of file.text.match(/[\w./-]+\.[cm]?[jt]sx?\b/g) ?? [])
      reach(sourceOf(posix.normalize(path)));
  }
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const source = byPath.get(path);
    if (source !== undefined) for (const next of edges(source)) reach(next);
  }

  const dead = sources.filter((source) => isCode(source.path) && !reached.has(source.path));
  return dead.map(({ path }) => ({ rule: 'reach', path, line: 0, message: 'nothing leads here: delete it' }));
}

function edges(source: Source): readonly string[] {
  const paths: string[] = [];
  for (const item of source.imports) {
    const target = targetOf(source.path, item.specifier);
    if ('path' in target) paths.push(sourceOf(target.path));
  }
  walk(source.program, (node) => {
    const text = textOf(node);
    if (text === undefined || !isCode(text)) return;
    paths.push(sourceOf(posix.normalize(text)), sourceOf(posix.join(posix.dirname(source.path), text)));
  });
  return paths;
}

/** A built file stands for what it is built from. */
function sourceOf(path: string): string {
  return path.startsWith('dist/') ? path.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts') : path;
}
