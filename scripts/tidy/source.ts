// Source: one parsed file of code, with what the rules ask about it.
//
//   S1. An import is a `type` only when nothing of it is left after the types are stripped.
//   S2. `new URL('./x.ts', import.meta.url)` counts as an import: that is how workers are started.
import { posix } from 'node:path';
import { parseSync } from 'rolldown/utils';
import type { Finding, TreeFile } from './tree.ts';

export interface Node {
  type: string;
  start: number;
  end: number;
  [name: string]: unknown;
}

export interface Import {
  specifier: string;
  /** `value` runs the module at once, `late` when an `await import` is reached, `url` in a thread or process of its own. */
  kind: 'type' | 'value' | 'late' | 'url';
  line: number;
}

export interface Source {
  path: string;
  text: string;
  program: Node;
  comments: readonly { text: string; line: number }[];
  imports: readonly Import[];
  line(offset: number): number;
}

const CODE = /\.[cm]?[jt]sx?$/;

export function isCode(path: string): boolean {
  return CODE.test(path) && !path.endsWith('.d.ts');
}

export function parseSources(tree: readonly TreeFile[]): {
  sources: readonly Source[];
  findings: readonly Finding[];
} {
  const sources: Source[] = [];
  const findings: Finding[] = [];
  for (const file of tree) {
    if (!isCode(file.path)) continue;
    const source = parse(file);
    if (typeof source === 'string')
      findings.push({ rule: 'parse', path: file.path, line: 0, message: source });
    else sources.push(source);
  }
  return { sources, findings };
}

function parse(file: TreeFile): Source | string {
  const result = parseSync(file.path, file.text);
  const [problem] = result.errors;
  if (problem !== undefined) return problem.message;

  const starts = [0];
  for (let at = file.text.indexOf('\n'); at >= 0; at = file.text.indexOf('\n', at + 1)) starts.push(at + 1);
  const line = (offset: number): number => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? Infinity) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };

  const program = result.program as unknown as Node;
  const imports: Import[] = [];
  walk(program, (node) => {
    const found = importOf(node);
    if (found !== undefined) imports.push({ ...found, line: line(node.start) });
  });
  const comments = result.comments.map((comment) => ({ text: comment.value, line: line(comment.start) }));
  return { path: file.path, text: file.text, program, comments, imports, line };
}

/** Every node once, parents before children. */
export function walk(node: Node, visit: (node: Node, parents: readonly Node[]) => void): void {
  const parents: Node[] = [];
  const step = (at: Node): void => {
    visit(at, parents);
    parents.push(at);
    for (const part of Object.values(at)) {
      if (Array.isArray(part)) {
        for (const item of part) if (isNode(item)) step(item);
      } else if (isNode(part)) step(part);
    }
    parents.pop();
  };
  step(node);
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

/** The text of a string literal. */
export function textOf(node: unknown): string | undefined {
  if (!isNode(node) || node.type !== 'Literal') return undefined;
  return typeof node['value'] === 'string' ? node['value'] : undefined;
}

/** The name of an identifier, of a private one without its `#`. */
export function nameOf(node: unknown): string | undefined {
  if (!isNode(node) || !/^(Private)?Identifier$/.test(node.type)) return undefined;
  return typeof node['name'] === 'string' ? node['name'] : undefined;
}

function importOf(node: Node): Omit<Import, 'line'> | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration': {
      const specifier = textOf(node['source']);
      const typeOnly = node['importKind'] === 'type' || node['exportKind'] === 'type';
      return specifier === undefined ? undefined : { specifier, kind: typeOnly ? 'type' : 'value' };
    }
    case 'ImportExpression': {
      const specifier = textOf(node['source']);
      return specifier === undefined ? undefined : { specifier, kind: 'late' };
    }
    case 'TSImportType': {
      const specifier = textOf(node['source']) ?? textOf((node['argument'] as Node | undefined)?.['literal']);
      return specifier === undefined ? undefined : { specifier, kind: 'type' };
    }
    case 'NewExpression':
      return urlImport(node);
    default:
      return undefined;
  }
}

/** Also where the path is chosen by an expression: then its first literal that names a TypeScript file stands for it. */
function urlImport(node: Node): Omit<Import, 'line'> | undefined {
  const [target, base] = node['arguments'] as Node[];
  if (nameOf(node['callee']) !== 'URL' || target === undefined || base === undefined) return undefined;
  let specifier: string | undefined;
  walk(target, (part) => {
    const text = textOf(part);
    if (specifier === undefined && text?.startsWith('.') && isCode(text)) specifier = text;
  });
  return specifier === undefined ? undefined : { specifier, kind: 'url' };
}

/** The path a relative specifier means, or the package a bare one means. */
export function targetOf(from: string, specifier: string): { path: string } | { library: string } {
  if (specifier.startsWith('.')) return { path: posix.join(posix.dirname(from), specifier) };
  if (specifier.startsWith('node:')) return { library: specifier };
  const parts = specifier.split('/');
  return { library: parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/') };
}
