// Echo: the one agent every contender runs, and the text it must produce.
//
// It owns the words only. Each server calls it with its own history; the load generator computes the same
// words by itself and compares, so an answer proves that the server knew how many messages there had been.
import { setTimeout as sleep } from 'node:timers/promises';

export const DELTAS = 20;

/** What a user says in turn `turn` of session `session`: the pause between deltas is part of it. */
export function inputOf(session: string, turn: number, gapMs: number): string {
  return `gap=${gapMs} Message ${turn} for ${session}: please repeat after me.`;
}

/** Twenty deltas of about thirty bytes. `count` is how many messages the user has sent, this one included. */
export function deltasOf(input: string, count: number): readonly string[] {
  const deltas = [`This is message number ${count} here. `];
  for (let n = 1; n < DELTAS; n += 1) {
    const from = (n * 7) % Math.max(1, input.length - 14);
    deltas.push(`(${n}) you said ${input.slice(from, from + 14)} `);
  }
  return deltas;
}

/** The agent. Back to back it never leaves the microtask queue; with a gap it waits between deltas, not before the first. */
export async function* echo(input: string, count: number): AsyncGenerator<string, void> {
  const gapMs = Number(/^gap=(\d+) /.exec(input)?.[1] ?? 0);
  let first = true;
  for (const delta of deltasOf(input, count)) {
    if (gapMs > 0 && !first) await sleep(gapMs);
    first = false;
    yield delta;
  }
}
