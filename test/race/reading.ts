// Reading: bodies of events, parsed.
import type { StoredEvent } from '../../src/store/store.ts';
import type { EventBodies, EventKind } from '../../src/wire/event.ts';
import { type Part, textOf } from '../../src/wire/message.ts';

const parsed = new WeakMap<StoredEvent, unknown>();

/** The kind is the caller's to know. */
export function bodyIn<Kind extends EventKind>(event: StoredEvent, _kind: Kind): EventBodies[Kind] {
  const known = parsed.get(event);
  if (known !== undefined) return known as EventBodies[Kind];
  const body = JSON.parse(event.body) as EventBodies[Kind];
  parsed.set(event, body);
  return body;
}

/** A message begins with its name; one that tells how a child ended is named for the child. */
export function nameIn({ parts }: { parts: readonly Part[] }): string {
  const text = textOf(parts);
  const [, child] = /^Sub-agent \S+, session (\S+), /.exec(text) ?? [];
  return child === undefined ? (text.split(' ', 1)[0] ?? '') : `news-${child}`;
}
