// Preparation: what happens between the moment a turn's start is on the disk and the moment its agent runs, over a week.
//
// The week is that of `week.ts`, without any pause between turns: what leaves the window in the background leaves while the
// next turn is being prepared, or has to leave before it. Weeks of other sessions have warmed the code before.
import { inProcessBus } from '../../src/bus/in-process/in-process.ts';
import { createRuntime } from '../../src/runtime/create.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Store } from '../../src/store/store.ts';
import type { Line } from '../results.ts';
import { sample } from '../sample.ts';
import { asked, CALLS_A_TURN, recordedResults, weekAgent } from '../week.ts';
import { openStore } from './open-store.ts';

const TURNS = 200;
const WARM_TURNS = 20;
const MS_P99_MAX = 20;
/** Of the last tenth's median over that of the second, when the window has been filled. */
const GROWTH_MAX = 1.5;

/** Of one turn, in milliseconds. */
interface Times {
  preparing: number;
  /** From the agent's first line until what its model is sent first has been made to fit. */
  fitting: number;
}

export async function preparationBench(folder: string, quick: boolean): Promise<Line[]> {
  const weeks: Times[][] = [];
  const times: Times[] = [];
  let [startedMs, begunMs] = [0, 0];
  const worker = weekAgent(recordedResults(), {
    begins: () => void (begunMs = performance.now()),
    prompt(_messages, number) {
      if (number === 0) times.push({ preparing: begunMs - startedMs, fitting: performance.now() - begunMs });
    },
  });
  const store = watched(await openStore(folder), () => void (startedMs = performance.now()));
  const runtime = await createRuntime({ store, bus: inProcessBus(), agents: { worker } });
  try {
    await work(runtime, 'warm', WARM_TURNS);
    for (let week = 0; week < (quick ? 1 : 3); week += 1) {
      times.length = 0;
      await work(runtime, `week-${week}`, TURNS);
      weeks.push([...times]);
    }
  } finally {
    await runtime.shutdown(0);
  }
  return linesOf(weeks);
}

async function work(runtime: Runtime, key: string, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    const { turn: id } = await runtime.send(key, { input: asked(turn * CALLS_A_TURN) });
    const view = await runtime.finished(key, id, { waitMs: 600_000 });
    if (view?.outcome !== 'completed')
      throw new Error(`Turn ${turn} ended ${view?.outcome}: ${view?.error?.message}`);
  }
}

/** The same store, which tells when the start of a turn is durable. */
function watched(store: Store, started: () => void): Store {
  const append: Store['append'] = async (take) => {
    let isStart = false;
    const answer = await store.append(() => {
      const given = take();
      isStart = given.events.some(({ kind }) => kind === 'turn.started');
      return given;
    });
    if (isStart) started();
    return answer;
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'append') return append;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function linesOf(weeks: readonly (readonly Times[])[]): Line[] {
  const tenth = TURNS / 10;
  const of = (at: number, which: keyof Times): ReturnType<typeof sample> =>
    sample(weeks.flatMap((week) => week.slice(at * tenth, (at + 1) * tenth).map((times) => times[which])));
  const lines: Line[] = [];
  const line = (what: string, value: number, unit: string, most?: number): void =>
    void lines.push({
      bench: 'context',
      what,
      value,
      unit,
      ...(most === undefined ? {} : { goal: { sign: '<=', value: most } }),
    });
  for (const [name, at] of [
    ['first', 0],
    ['last', 9],
  ] as const) {
    const { p50, p99 } = of(at, 'preparing');
    line(`a turn prepared, ${name} tenth of a week, p50`, p50, 'ms');
    line(`a turn prepared, ${name} tenth of a week, p99`, p99, 'ms', MS_P99_MAX);
  }
  const growth = of(9, 'preparing').p50 / of(1, 'preparing').p50;
  line('a turn prepared, last tenth of a week over the second, p50', growth, 'x', GROWTH_MAX);
  for (const at of [0, 9]) {
    const { p50, p99 } = of(at, 'fitting');
    const name = at === 0 ? 'first' : 'last';
    line(`a model's first prompt made to fit, ${name} tenth of a week, p50`, p50, 'ms');
    line(`a model's first prompt made to fit, ${name} tenth of a week, p99`, p99, 'ms');
  }
  return lines;
}
