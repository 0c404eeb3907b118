// Flat read-back: a call that reads back as one level of names and values, as a query string and a tool's arguments have it.
import type { ReadBackCall } from './context.ts';

/** Every member may be left out; `fromLine` and `fromByte` say where a search begins, where there is one. */
export interface FlatReadBack {
  ref?: string | undefined;
  fromLine?: number | undefined;
  toLine?: number | undefined;
  head?: number | undefined;
  tail?: number | undefined;
  search?: string | undefined;
  ignoreCase?: boolean | undefined;
  around?: number | undefined;
  path?: string | undefined;
  fromByte?: number | undefined;
  toByte?: number | undefined;
  fromRef?: string | undefined;
}

/** For whoever calls, a program or a model. */
export const READ_BACK_MEMBERS: Readonly<Record<keyof FlatReadBack, string>> = {
  ref: 'What to read: "artifact:…" is a file, "log:12" what one event says, "log:12-40" a stretch of the log as JSON lines. Only search may go without.',
  fromLine: 'The first line, from 1. With search: where it begins.',
  toLine: 'The last line, which is read too.',
  head: 'Only so many lines from the start.',
  tail: 'Only so many lines from the end.',
  search:
    'A regular expression (RE2: no lookarounds, no backreferences). Gives the lines that match, with their numbers.',
  ignoreCase: 'With search: small and capital letters are the same.',
  around: 'With search: so many lines before and behind each match, up to 20.',
  path: 'JSONPath (RFC 9535) into a JSON result: each value as a line.',
  fromByte: 'The first byte, from 0. With search: where it goes on, as `next` said.',
  toByte: 'The byte to stop before.',
  fromRef: 'With search and without ref: where it goes on, as `next` said.',
};

export function unflattened(flat: FlatReadBack): ReadBackCall {
  const { ref, fromLine, toLine, head, tail, search: pattern, path, fromByte, toByte } = flat;
  const { ignoreCase, around, fromRef } = flat;
  const isSearch = pattern !== undefined;
  const lines = isSearch && toLine === undefined ? undefined : range(fromLine, toLine, 1);
  const bytes = isSearch && toByte === undefined ? undefined : range(fromByte, toByte, 0);
  const search = isSearch ? known({ pattern, ignoreCase, around, fromLine, fromByte, fromRef }) : undefined;
  return known({ ref, lines, bytes, head, tail, search, path });
}

export function flattened(call: ReadBackCall): FlatReadBack {
  const { ref, bytes, lines, head, tail, search, path } = call;
  return known({
    ref,
    head,
    tail,
    path,
    search: search?.pattern,
    ignoreCase: search?.ignoreCase,
    around: search?.around,
    fromRef: search?.fromRef,
    fromLine: search?.fromLine ?? lines?.from,
    toLine: lines?.to,
    fromByte: search?.fromByte ?? bytes?.from,
    toByte: bytes?.to,
  });
}

function range(
  from: number | undefined,
  to: number | undefined,
  least: number,
): { from: number; to?: number } | undefined {
  return from === undefined && to === undefined ? undefined : known({ from: from ?? least, to });
}

type Known<Members> = { [Name in keyof Members]?: Exclude<Members[Name], undefined> } & {
  [Name in keyof Members as undefined extends Members[Name] ? never : Name]: Members[Name];
};

/** Without those that are undefined. */
function known<Members extends object>(members: Members): Known<Members> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Known<Members>;
}
