// Event text: between the log's rows and what travels. A body is JSON text from the moment it is appended, is
// stored as it is, and is shown as it is: nobody on the way parses it.
import type { StoredEvent } from '../store/store.ts';
import type { Event, EventBodies, EventKind } from '../wire/event.ts';

/** The event as JSON text. */
export function eventText(event: StoredEvent): string {
  const turn = event.turn === null ? 'null' : `"${event.turn}"`;
  return `{"seq":${event.seq},"at":"${timeText(event.at)}","kind":"${event.kind}","turn":${turn},"body":${event.body}}`;
}

/** The event as one server-sent event. JSON text holds no line break, so no field can be forged from a body. */
export function eventFrame(event: StoredEvent): string {
  return `id: ${event.seq}\nevent: ${event.kind}\ndata: ${eventText(event)}\n\n`;
}

export function parseEvent(event: StoredEvent): Event {
  const body: unknown = JSON.parse(event.body);
  return { seq: event.seq, at: timeText(event.at), kind: event.kind, turn: event.turn, body } as Event;
}

export function bodyOf<Kind extends EventKind>(event: StoredEvent, kind: Kind): EventBodies[Kind] {
  if (event.kind !== kind) throw new TypeError(`Event ${event.seq} is ${event.kind}, not ${kind}`);
  return JSON.parse(event.body) as EventBodies[Kind];
}

let lastMs = Number.NaN;
let lastText = '';

/** RFC 3339, UTC. Many events share a millisecond, so the last text is kept. */
export function timeText(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}
