// Children: what it costs when a turn starts sessions of its own, over the real runtime and store, without a network.
//
// The parent is one turn that does as it is told; each child says one word. Beside it stands the same word said by a
// session of its own, without a parent: the difference is what being a child adds. Every result is compared.
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { functionAgent } from '../../src/agent/function/function.ts';
import type { AgentTurn, Child } from '../../src/agent/agent.ts';
import { inProcessBus } from '../../src/bus/in-process/in-process.ts';
import { createRuntime } from '../../src/runtime/create.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Line } from '../results.ts';
import { median } from '../sample.ts';
import { openStore } from './open-store.ts';

const WORD = 'done';
const MANY = 1_000;
const PROGRESS = 1_000;
const ROUNDS = 20;
const AT_ONCE = 16;
const LIMITS = {
  childrenMax: MANY * 2,
  childrenPerOwnerMax: MANY * 2,
  liveMax: MANY * 10,
  createBurst: MANY * 100,
};

/** Held shut, all children wait before their word. */
class Gate {
  #opened = Promise.withResolvers<void>();

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  open(): void {
    this.#opened.resolve();
  }
}

/** How long a turn took to say all of its progress; it waits for `next` after each. */
class Shown {
  ms = 0;
  next: Promise<void> | undefined;
  #told = (): void => undefined;

  /** From now on, whoever says something waits until the parent has been shown it. */
  wait(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.next = promise;
    this.#told = resolve;
  }

  told(): void {
    this.#told();
    this.wait();
  }
}

type NewLine = (what: string, value: number, unit: string) => Line;
type Work = (turn: AgentTurn) => Promise<void>;

/** A runtime whose agent `boss` does in its turn what it is given. */
class Scene {
  readonly runtime: Runtime;
  readonly #work: { current: Work };
  #turns = 0;

  constructor(runtime: Runtime, work: { current: Work }) {
    this.runtime = runtime;
    this.#work = work;
  }

  static async open(folder: string, progressMs: number, gate?: Gate, shown = new Shown()): Promise<Scene> {
    const work: { current: Work } = { current: async () => undefined };
    const boss = functionAgent(async function* (turn) {
      await work.current(turn);
      yield WORD;
    });
    const worker = functionAgent(async function* () {
      await gate?.opened;
      yield WORD;
    });
    const talker = functionAgent(async function* (turn) {
      const start = performance.now();
      for (let at = 0; at < PROGRESS; at += 1) {
        turn.progress({ kind: 'tool', summary: `step ${at}` });
        await shown.next;
      }
      shown.ms = performance.now() - start;
      yield WORD;
    });
    const store = await openStore(folder);
    const agents = { boss, worker, talker };
    const limits = { ...LIMITS, progressMs };
    return new Scene(await createRuntime({ store, bus: inProcessBus(), agents, limits }), work);
  }

  /** A new parent, and a turn of it that does this. */
  async run(work: Work): Promise<void> {
    this.#work.current = work;
    this.#turns += 1;
    await this.say(`boss-${this.#turns}`, 'boss');
  }

  async say(key: string, agent: string): Promise<void> {
    const { turn } = await this.runtime.send(key, { input: 'go', agent });
    const view = await this.runtime.finished(key, turn, { waitMs: 600_000 });
    if (view?.text !== WORD) throw new Error(`${key} ended ${view?.outcome}: ${view?.error?.message}`);
  }
}

export async function childrenBench(folder: string, quick: boolean): Promise<Line[]> {
  const line = (what: string, value: number, unit: string): Line => ({
    bench: 'children',
    what,
    value,
    unit,
  });
  const rounds = quick ? 50 : 300;
  const several = quick ? 64 : 320;
  const scene = await Scene.open(`${folder}/plain`, 1);
  const aloneMs = await each(rounds + AT_ONCE, (at) => scene.say(`alone-${at}`, 'worker'));
  const childMs: number[] = [];
  await scene.run(async (turn) => {
    childMs.push(...(await each(rounds + AT_ONCE, async () => check(await turn.spawn('worker', 'go')))));
  });
  const together = await timed(() =>
    scene.run((turn) => lanes(several, async () => check(await turn.spawn('worker', 'go')))),
  );
  await scene.runtime.shutdown(0);
  return [
    line('a session of its own, made, heard and ended, one after the other, p50', median(aloneMs), 'ms'),
    line('a child, spawned, heard and ended, one after the other, p50', median(childMs), 'ms'),
    line(`a child, ${AT_ONCE} at a time`, together / several, 'ms'),
    ...(await progress(folder, line)),
    ...(await manyAtOnce(`${folder}/many`, line)),
  ];
}

/** All at work at the same moment, under one parent. */
async function manyAtOnce(folder: string, line: NewLine): Promise<Line[]> {
  const gate = new Gate();
  const scene = await Scene.open(folder, 1_000, gate);
  const figures = { startMs: 0, endMs: 0, bytes: 0 };
  await scene.run(async (turn) => {
    const before = await heapBytes();
    const children: Child[] = [];
    figures.startMs = await timed(async () => {
      await lanes(MANY, async () => void children.push(await turn.spawn('worker', 'go')));
      while (scene.runtime.stats().running <= MANY) await turnOfLoop();
    });
    figures.bytes = (await heapBytes()) - before;
    figures.endMs = await timed(async () => {
      gate.open();
      await Promise.all(children.map(check));
    });
  });
  await scene.runtime.shutdown(0);
  return [
    line(
      `1,000 children of one parent, spawned ${AT_ONCE} at a time, until all are at work`,
      figures.startMs,
      'ms',
    ),
    line(
      '1,000 children of one parent, from their word until the parent has all results',
      figures.endMs,
      'ms',
    ),
    line('memory of a child at work', figures.bytes / MANY / 1_024, 'KiB'),
  ];
}

/** So often, a few at a time. */
async function lanes(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function progress(folder: string, line: NewLine): Promise<Line[]> {
  const quick = new Shown();
  const quiet = await Scene.open(`${folder}/quiet`, 1_000, undefined, quick);
  const saidMs: number[] = [];
  await quiet.run(async (turn) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await check(await turn.spawn('talker', 'go'));
      saidMs.push(quick.ms);
    }
  });
  await quiet.runtime.shutdown(0);
  const each = new Shown();
  const loud = await Scene.open(`${folder}/loud`, Number.MIN_VALUE, undefined, each);
  await loud.run(async (turn) => {
    each.wait();
    let count = 0;
    // The first is that it has started, which nobody waits for.
    const onProgress = ({ kind }: { kind: string }): void => {
      if (kind !== 'tool') return;
      count += 1;
      each.told();
    };
    await check(await turn.spawn('talker', 'go', { onProgress }));
    if (count !== PROGRESS) throw new Error(`${count} of ${PROGRESS} were shown`);
  });
  await loud.runtime.shutdown(0);
  return [
    line('1,000 progress events of a turn, at most one shown each second', median(saidMs), 'ms'),
    line('1,000 progress events of a turn, each of them in the log of its parent', each.ms, 'ms'),
  ];
}

async function check(child: Child): Promise<void> {
  const { outcome, text } = await child.result();
  if (outcome !== 'completed' || text !== WORD) throw new Error(`A child ended ${outcome} and said ${text}`);
}

/** The time of each but the first few, which warm the code. */
async function each(count: number, work: (at: number) => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) times.push(await timed(() => work(at)));
  return times.slice(AT_ONCE);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** After full collections. */
async function heapBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 4; round += 1) {
    collect();
    await turnOfLoop();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
