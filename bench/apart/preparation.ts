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
/** Of the median of the last three tenths over that of the three behind the first. */
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
  const tenths = (from: number, to: number, which: keyof Times): ReturnType<typeof sample> =>
    sample(weeks.flatMap((week) => week.slice(from * tenth, to * tenth).map((times) => times[which])));
  const line = (what: string, value: number, unit: string, most?: number): Line => ({
    bench: 'context',
    what,
    value,
    unit,
    ...(most === undefined ? {} : { goal: { sign: '<=', value: most } }),
  });
  const lines: Line[] = [];
  for (const [what, which, most] of [
    ['a turn prepared', 'preparing', MS_P99_MAX],
    ["a model's first prompt made to fit", 'fitting', undefined],
  ] as const) {
    lines.push(line(`${what}, over a week, p99`, tenths(0, 10, which).p99, 'ms', most));
    for (const [name, from] of [
      ['first', 0],
      ['last', 9],
    ] as const) {
      const { p50, p99 } = tenths(from, from + 1, which);
      lines.push(line(`... ${name} tenth, p50`, p50, 'ms'));
      lines.push(line(`... ${name} tenth, p99`, p99, 'ms'));
    }
  }
  // The window is filled in the first tenth.
  const growth = tenths(7, 10, 'preparing').p50 / tenths(1, 4, 'preparing').p50;
  return [
    ...lines,
    line('a turn prepared, the end of a week over its beginning, p50', growth, 'x', GROWTH_MAX),
  ];
}
