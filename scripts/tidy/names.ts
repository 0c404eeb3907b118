// Names: a name says what a thing is.
import { isCode, nameOf, walk, type Node, type Source } from './source.ts';
import type { Finding, TreeFile } from './tree.ts';

const DRAWERS = ['util', 'utils', 'helper', 'helpers', 'common', 'lib', 'misc'];
const EMPTY_WORDS = ['manager', 'helper', 'helpers', 'handler', 'service', 'processor', 'util', 'utils'];
/** Nothing at the end of a name: everything is data. */
const EMPTY_ENDS = ['data', 'info'];

const DECLARATIONS = new Set([
  'ClassDeclaration',
  'FunctionDeclaration',
  'TSInterfaceDeclaration',
  'TSTypeAliasDeclaration',
]);

export function checkNames(tree: readonly TreeFile[], sources: readonly Source[]): readonly Finding[] {
  const findings: Finding[] = [];
  const say = (path: string, line: number, message: string): void => {
    findings.push({ rule: 'name', path, line, message });
  };
  for (const { path } of tree) {
    const message = isCode(path) ? checkPath(path) : undefined;
    if (message !== undefined) say(path, 0, message);
  }
  for (const source of sources) {
    walk(source.program, (node, parents) => {
      const name = declaredName(node, parents);
      const word = name === undefined ? undefined : emptyWord(name);
      if (word !== undefined) say(source.path, source.line(node.start), `${name}: "${word}" says nothing`);
    });
  }
  for (const message of checkDecisions(tree)) say('decisions', 0, message);
  return findings;
}

function checkPath(path: string): string | undefined {
  const segments = path.split('/').map((segment) => segment.split('.')[0] ?? '');
  const drawer = segments.find((segment) => DRAWERS.includes(segment));
  if (drawer !== undefined) return `"${drawer}" is a drawer: name what the file is about`;
  const word = emptyWord(segments.at(-1) ?? '');
  return word === undefined ? undefined : `"${word}" says nothing: find what the file is about`;
}

/** Of types, classes and functions anywhere, and of variables at the top of a file. */
function declaredName(node: Node, parents: readonly Node[]): string | undefined {
  if (DECLARATIONS.has(node.type)) return nameOf(node['id']);
  if (node.type !== 'VariableDeclarator') return undefined;
  const holder = parents.at(-2)?.type;
  return holder === 'Program' || holder === 'ExportNamedDeclaration' ? nameOf(node['id']) : undefined;
}

function emptyWord(name: string): string | undefined {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
  const end = words.at(-1) ?? '';
  return words.find((word) => EMPTY_WORDS.includes(word)) ?? (EMPTY_ENDS.includes(end) ? end : undefined);
}

/** `NNNN-slug.md`, each number once. */
function checkDecisions(tree: readonly TreeFile[]): readonly string[] {
  const messages: string[] = [];
  const numbers = new Set<string>();
  for (const { path } of tree) {
    if (!path.startsWith('decisions/')) continue;
    const number = /^decisions\/(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md$/.exec(path)?.[1];
    if (number === undefined) messages.push(`${path} must be named NNNN-slug.md`);
    else if (numbers.has(number)) messages.push(`${path}: the number ${number} is taken`);
    else numbers.add(number);
  }
  return messages;
}
