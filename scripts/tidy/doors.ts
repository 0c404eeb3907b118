// Doors: the entry points that package.json publishes.
//
//   D1. Every door names its source, its types and its built file, and the three agree.
//   D2. The source exists.
//   D3. The front door exports fewer than forty names.
import { isNode, type Source } from './source.ts';
import type { Finding, TreeFile } from './tree.ts';

/** The export condition under which tests and development find sources instead of built files. */
const SOURCE = 'sojourn-source';
const FRONT = 'src/index.ts';
const FRONT_NAMES_MAX = 39;

export function checkDoors(tree: readonly TreeFile[], sources: readonly Source[]): readonly Finding[] {
  const text = tree.find((file) => file.path === 'package.json')?.text;
  if (text === undefined) return [];
  const findings: Finding[] = [];
  const say = (path: string, message: string): void => {
    findings.push({ rule: 'door', path, line: 0, message });
  };
  const { exports = {} } = JSON.parse(text) as { exports?: Record<string, unknown> };
  for (const [door, target] of Object.entries(exports)) {
    if (door === './package.json') continue;
    const source = sourceOfDoor(target);
    const path = source?.replace(/^\.\//, '') ?? '';
    if (source === undefined)
      say('package.json', `${door} must name { ${SOURCE}, types, default } in this order`);
    else if (!sources.some((file) => file.path === path))
      say('package.json', `${door}: ${source} does not exist`);
  }
  const front = sources.find((source) => source.path === FRONT);
  const count = front === undefined ? 0 : exportedNames(front);
  if (count > FRONT_NAMES_MAX) say(FRONT, `exports ${count} names, at most ${FRONT_NAMES_MAX} are allowed`);
  return findings;
}

/** The source of a door whose three targets agree (D1). */
function sourceOfDoor(target: unknown): string | undefined {
  if (typeof target !== 'object' || target === null) return undefined;
  const [source, types, built] = Object.values(target) as unknown[];
  if (Object.keys(target).join() !== `${SOURCE},types,default` || typeof source !== 'string')
    return undefined;
  const stem = /^\.\/src\/(.+)\.ts$/.exec(source)?.[1];
  return types === `./dist/${stem}.d.ts` && built === `./dist/${stem}.js` ? source : undefined;
}

function exportedNames(source: Source): number {
  let count = 0;
  const body = source.program['body'];
  for (const node of Array.isArray(body) ? body : []) {
    if (!isNode(node)) continue;
    if (node.type === 'ExportAllDeclaration') return Infinity;
    if (node.type !== 'ExportNamedDeclaration') continue;
    const specifiers = node['specifiers'];
    count += node['declaration'] === null && Array.isArray(specifiers) ? specifiers.length : 1;
  }
  return count;
}
