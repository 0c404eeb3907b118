// Size: how long a file and a function may be.
//
//   N1. A file has at most 400 lines, a function at most 60. Longer asks for a redesign, not for an exception.
//   N2. The exceptions only shrink: one that has grown fails, one that has shrunk fails until its number is lowered, and
//       one that is not needed any more fails until it is gone.
//   N3. A function that only holds tests is as long as its tests: the limits apply to each of them.
//   N4. A constant that only holds texts and numbers does not count: it is as long as they are.
import { isNode, nameOf, walk, type Node, type Source } from './source.ts';
import type { Finding } from './tree.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;

export interface Exception {
  path: string;
  /** The function's name; without one it is about the file. */
  name?: string;
  lines: number;
  /** What keeps it from being shorter. */
  why: string;
}

interface Long {
  path: string;
  name: string | undefined;
  line: number;
  lines: number;
  max: number;
}

export function checkSize(sources: readonly Source[], exceptions: readonly Exception[]): readonly Finding[] {
  const long = sources.flatMap(longParts);
  const findings: Finding[] = [];
  const seen = new Set<Exception>();
  for (const part of long) {
    const exception = exceptions.find(({ path, name }) => path === part.path && name === part.name);
    if (exception !== undefined) seen.add(exception);
    if (exception?.lines === part.lines) continue;
    const what = part.name === undefined ? 'the file' : part.name;
    const message =
      exception !== undefined && part.lines < exception.lines
        ? `${what} shrank to ${part.lines} lines: lower its exception`
        : `${what} has ${part.lines} lines, at most ${exception?.lines ?? part.max} are allowed`;
    findings.push({ rule: 'size', path: part.path, line: part.line, message });
  }
  for (const exception of exceptions) {
    if (seen.has(exception)) continue;
    const message = `the exception for ${exception.name ?? 'the file'} is not needed any more: remove it`;
    findings.push({ rule: 'size', path: exception.path, line: 0, message });
  }
  return findings;
}

function longParts(source: Source): readonly Long[] {
  const parts: Long[] = [];
  const fileLines = source.text.trimEnd().split('\n').length - valueLines(source);
  if (fileLines > FILE_LINES_MAX) {
    parts.push({ path: source.path, name: undefined, line: 0, lines: fileLines, max: FILE_LINES_MAX });
  }
  walk(source.program, (node, parents) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
    const line = source.line(node.start);
    const lines = source.line(node.end) - line + 1;
    if (lines <= FUNCTION_LINES_MAX || holdsTests(node)) return;
    const name = functionName(node, parents.at(-1));
    parts.push({ path: source.path, name, line, lines, max: FUNCTION_LINES_MAX });
  });
  return parts;
}

function functionName(node: Node, parent: Node | undefined): string {
  const owner = parent?.['key'] ?? parent?.['id'] ?? parent?.['left'];
  return nameOf(node['id']) ?? nameOf(owner) ?? 'an unnamed function';
}

/** N3. */
function holdsTests(node: Node): boolean {
  const body = node['body'];
  const statements = isNode(body) && Array.isArray(body['body']) ? (body['body'] as Node[]) : [];
  return statements.some((statement) => {
    if (statement.type !== 'ExpressionStatement') return false;
    return namesCalled(statement['expression']).some((name) => /^(describe|test|it)$/.test(name));
  });
}

/** N4: the lines of constants at the top of a file in which nothing runs. */
function valueLines(source: Source): number {
  const body = source.program['body'];
  let count = 0;
  for (const statement of Array.isArray(body) ? body : []) {
    const node: unknown = isNode(statement) ? (statement['declaration'] ?? statement) : undefined;
    if (!isNode(node) || node.type !== 'VariableDeclaration') continue;
    let runs = false;
    walk(node, (part) => (runs ||= /Function|Class|Call|New/.test(part.type)));
    if (!runs) count += source.line(node.end) - source.line(node.start) + 1;
  }
  return count;
}

/** `each` and `test` for `test.each(...)(...)`, `describe` and `runner` for `runner.describe(...)`. */
function namesCalled(node: unknown): readonly string[] {
  const names: string[] = [];
  for (let at = node; isNode(at); at = at.type === 'MemberExpression' ? at['object'] : at['callee']) {
    const name = nameOf(at) ?? nameOf(at['property']);
    if (name !== undefined) names.push(name);
  }
  return names;
}
