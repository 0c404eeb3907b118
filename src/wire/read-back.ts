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
