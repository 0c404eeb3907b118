// Activation: what it takes to bring back a session with 10,000 events, from what was kept of it and from its log alone.
//
// The same session both times. The runtime is shut down and opened again for each figure, which is taken from sending a
// message until the agent runs; a second message finds the session in memory, and the difference is the activation.
import { DatabaseSync } from 'node:sqlite';
import { inProcessBus } from '../../src/bus/in-process/in-process.ts';
import { createRuntime } from '../../src/runtime/create.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Line } from '../results.ts';
import { median } from '../sample.ts';
import { asked, CALLS_A_TURN, recordedResults, weekAgent } from '../week.ts';
import { openStore } from './open-store.ts';

const KEY = 'long';
const EVENTS = 10_000;
const WARM_ROUNDS = 2;

interface Round {
  coldMs: number;
  /** Over what the next turn takes, in the same round. */
  extraMs: number;
}

export async function activationBench(folder: string, quick: boolean): Promise<Line[]> {
  const scene = new Scene(folder);
  const events = await scene.make();
  const kept: Round[] = [];
  const whole: Round[] = [];
  for (let round = 0; round < WARM_ROUNDS + (quick ? 3 : 15); round += 1) {
    kept.push(await scene.round());
    scene.forget();
    whole.push(await scene.round());
  }
  const ofRounds = (rounds: readonly Round[], pick: (round: Round) => number): number =>
    median(rounds.slice(WARM_ROUNDS).map(pick));
  const line = (what: string, value: number, unit: string): Line => ({ bench: 'context', what, value, unit });
  const from = (rounds: readonly Round[], what: string): Line[] => [
    line(
      `a session of ${events.toLocaleString('en-US')} events, first turn after a start, ${what}, p50`,
      ofRounds(rounds, ({ coldMs }) => coldMs),
      'ms',
    ),
    line(
      '... minus the next turn',
      ofRounds(rounds, ({ extraMs }) => extraMs),
      'ms',
    ),
  ];
  // Of the whole turns: a difference may be next to nothing.
  const ratios = whole.map(({ coldMs }, round) => coldMs / (kept[round]?.coldMs ?? Number.NaN));
  return [
    ...from(kept, 'from its last checkpoint'),
    ...from(whole, 'from the start of its log'),
    line(
      '... first turn from the start over that from the checkpoint',
      median(ratios.slice(WARM_ROUNDS)),
      'x',
    ),
  ];
}

class Scene {
  readonly #folder: string;
  #begunMs = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Answers how many events it has. */
  async make(): Promise<number> {
    const runtime = await this.#open();
    let events = 0;
    for (let from = 0; events < EVENTS; from += CALLS_A_TURN) {
      await this.#say(runtime, asked(from));
      events = (await runtime.session(KEY)).headSeq;
    }
    await runtime.shutdown(0);
    return events;
  }

  /** What was kept of the working set is not there any more. */
  forget(): void {
    const db = new DatabaseSync(`${this.#folder}/sojourn.db`);
    const { changes } = db.prepare('DELETE FROM snapshots').run();
    db.close();
    if (changes !== 1) throw new Error(`${changes} checkpoints were there`);
  }

  async round(): Promise<Round> {
    const runtime = await this.#open();
    const coldMs = await this.#say(runtime, asked(0, 0));
    const liveMs = await this.#say(runtime, asked(0, 0));
    await runtime.shutdown(0);
    return { coldMs, extraMs: coldMs - liveMs };
  }

  async #open(): Promise<Runtime> {
    const worker = weekAgent(recordedResults(), { begins: () => void (this.#begunMs = performance.now()) });
    const store = await openStore(this.#folder);
    return createRuntime({ store, bus: inProcessBus(), agents: { worker } });
  }

  /** Milliseconds until its agent ran. Resolves when the turn is over. */
  async #say(runtime: Runtime, input: string): Promise<number> {
    const sentMs = performance.now();
    const { turn } = await runtime.send(KEY, { input });
    const view = await runtime.finished(KEY, turn, { waitMs: 600_000 });
    if (view?.outcome !== 'completed')
      throw new Error(`A turn ended ${view?.outcome}: ${view?.error?.message}`);
    return this.#begunMs - sentMs;
  }
}
