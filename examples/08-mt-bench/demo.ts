// Demo: 80 users at once, 30 real conversations of two turns, and a server that is killed with `kill -9` in the middle
// of turns, again and again. At the end nothing is lost, nothing is doubled, and every answer is whole.
//
//   K1. A kill comes while deltas are arriving, when a share of all turns has ended.
//   K2. A turn is run again at most three times after crashes, as the runtime promises; so a kill waits for turns
//       that have been through three. Meanwhile nobody asks anything new: something must be left to be killed.
import { connect } from 'sojourn/client';
import type { Event } from 'sojourn/client';
import { MT_BENCH } from 'sojourn/agent/scripted';
import { Server } from './server.ts';
import { User } from './user.ts';

export interface DemoOptions {
  /** An empty folder. */
  folder: string;
  sessions: number;
  kills: number;
  /** How fast the scripted agent speaks. */
  wordMs: number;
  /** Called at every change. */
  onProgress?(progress: DemoProgress): void;
}

export interface DemoProgress {
  turnsEnded: number;
  turns: number;
  kills: number;
  deltas: number;
}

export interface DemoSummary extends DemoProgress {
  /** Turns that ended as `completed` with exactly the recorded answer. */
  exact: number;
  acknowledged: number;
  /** Acknowledged turns that no log has, turns with another number of outcomes than one, gaps, repeats. */
  missing: number;
  doubleOutcomes: number;
  gaps: number;
  repeated: number;
  /** The most often a turn had to be begun. */
  attemptsMax: number;
  events: number;
  seconds: number;
}

const KILLS_OF_ONE_TURN_MAX = 3;

export async function runDemo(options: DemoOptions): Promise<DemoSummary> {
  const begun = performance.now();
  const server = new Server(options.folder, options.wordMs);
  await server.start();
  const client = connect({ url: server.url, token: server.token });
  const progress = { turnsEnded: 0, turns: options.sessions * 2, kills: 0, deltas: 0 };
  let attemptsMax = 1;
  let killing: Promise<void> | undefined;
  const users: User[] = [];
  const patient: (() => void)[] = [];

  const isTired = (): boolean => users.some((each) => (each.kills ?? 0) >= KILLS_OF_ONE_TURN_MAX); // K2
  const isDue = (): boolean =>
    progress.kills < options.kills &&
    progress.turnsEnded >= ((progress.kills + 0.5) / options.kills) * 0.9 * progress.turns;
  const mayAsk = async (): Promise<void> => {
    while (isDue() && isTired()) await new Promise<void>((resolve) => patient.push(resolve));
  };
  const strike = async (): Promise<void> => {
    await server.kill();
    progress.kills += 1;
    for (const user of users) if (user.kills !== undefined) user.kills += 1;
    options.onProgress?.({ ...progress });
    await server.start();
    killing = undefined;
  };
  const onEvent = (event: Event, user: User): void => {
    if (event.kind === 'text.delta') progress.deltas += 1;
    if (event.kind === 'turn.ended') progress.turnsEnded += 1;
    attemptsMax = Math.max(attemptsMax, user.attempt);
    options.onProgress?.({ ...progress });
    if (event.kind === 'turn.ended') for (const ask of patient.splice(0)) ask();
    if (event.kind === 'text.delta' && killing === undefined && isDue() && !isTired()) {
      killing = strike(); // K1
    }
  };
  for (let index = 0; index < options.sessions; index += 1) {
    const conversation = MT_BENCH[index % MT_BENCH.length];
    if (conversation !== undefined)
      users.push(new User(client, `mt-bench/${index}`, conversation, { onEvent, mayAsk }));
  }
  try {
    await Promise.all(users.map((user) => user.talk()));
    await killing;
    const found = await audit(users);
    return { ...progress, ...found, attemptsMax, seconds: (performance.now() - begun) / 1_000 };
  } finally {
    await killing?.catch(() => undefined); // Its failure is on its way already.
    await server.kill();
  }
}

/** Reads every log back and compares it with what the users saw. */
async function audit(
  users: readonly User[],
): Promise<Omit<DemoSummary, keyof DemoProgress | 'attemptsMax' | 'seconds'>> {
  const found = { exact: 0, acknowledged: 0, missing: 0, doubleOutcomes: 0, gaps: 0, repeated: 0, events: 0 };
  for (const user of users) {
    const outcomes = new Map<string, number>();
    const accepted = new Set<string>();
    let last = 0;
    for await (const event of user.session.history()) {
      if (event.seq !== last + 1) found.gaps += 1;
      last = event.seq;
      found.events += 1;
      const turn = event.turn ?? '';
      if (event.kind === 'turn.accepted') accepted.add(turn);
      if (event.kind === 'turn.ended') outcomes.set(turn, (outcomes.get(turn) ?? 0) + 1);
    }
    found.repeated += user.repeated;
    found.acknowledged += user.acknowledged.length;
    found.missing += user.acknowledged.filter((turn) => !accepted.has(turn)).length;
    found.doubleOutcomes += user.acknowledged.filter((turn) => outcomes.get(turn) !== 1).length;
    found.exact += user.turns.filter(
      (turn, index) => turn.outcome === 'completed' && turn.text === user.conversation.turns[index]?.answer,
    ).length;
  }
  return found;
}
