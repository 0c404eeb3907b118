// JSON path: the values that a path of RFC 9535 finds in a text, each as a line of JSON.
//
//   JP1. The functions `match` and `search` take linear time: RE2 does the matching.
//   JP2. A number comes back with the digits it was written with, also where a double would not hold them.
//   JP3. No more than `bytesMax` is made, however much a path finds. How long that may take is its caller's to bound.
import { Buffer } from 'node:buffer';
import { FunctionExpressionType, JSONPathEnvironment, type JSONValue } from 'json-p3';
import { RE2JS } from 're2js';

const PATTERNS_MAX = 64;
const DEPTH_MAX = 1_000;

export interface Values {
  text: string;
  values: number;
  /** There are more. */
  isCut: boolean;
}

/** Throws what is wrong with the path, and a `SyntaxError` where the text is not JSON. */
export function valuesAt(path: string, text: string, bytesMax: number): Values {
  const environment = new ExactEnvironment({ maxRecursionDepth: DEPTH_MAX });
  environment.functionRegister.set(
    'match',
    patternFunction((pattern, value) => pattern.matches(value)),
  );
  environment.functionRegister.set(
    'search',
    patternFunction((pattern, value) => pattern.test(value)),
  );
  const query = environment.compile(path);
  const lines: string[] = [];
  let left = bytesMax;
  for (const { value } of query.lazyQuery(parsed(text))) {
    const line = `${JSON.stringify(value)}\n`;
    left -= Buffer.byteLength(line); // JP3
    if (left < 0) return { text: lines.join(''), values: lines.length, isCut: true };
    lines.push(line);
  }
  return { text: lines.join(''), values: lines.length, isCut: false };
}

/** What the language has since Node 22, and its types not yet. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON: (this: void, text: string) => JSONValue;
  isRawJSON: (this: void, value: unknown) => boolean;
};

/** A double keeps so many digits. */
const DIGITS_KEPT = 15;
const LONG_NUMBER = /\d[\d.]{15}/;

/** JP2: such a number is kept as its text, which is written as it is, and no path goes into it. */
function parsed(text: string): JSONValue {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text) as JSONValue;
  const exact = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined) return value;
    return source.replaceAll(/\D/g, '').length > DIGITS_KEPT ? rawJSON(source) : value;
  };
  return JSON.parse(text, exact) as JSONValue;
}

class ExactEnvironment extends JSONPathEnvironment {
  override entries(value: { [key: string]: JSONValue }): [string, JSONValue][] {
    return isRawJSON(value) ? [] : super.entries(value);
  }
}

/** JP1. A pattern that is none matches nothing, as the RFC has it. */
function patternFunction(test: (pattern: RE2JS, value: string) => boolean) {
  const known = new Map<string, RE2JS | null>();
  return {
    argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
    returnType: FunctionExpressionType.LogicalType,
    call(value: unknown, pattern: unknown): boolean {
      if (typeof value !== 'string' || typeof pattern !== 'string') return false;
      let compiled = known.get(pattern);
      if (compiled === undefined) {
        compiled = compile(pattern);
        if (known.size < PATTERNS_MAX) known.set(pattern, compiled);
      }
      return compiled !== null && test(compiled, value);
    },
  };
}

function compile(pattern: string): RE2JS | null {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return null;
  }
}
