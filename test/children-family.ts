// Family: a parent at work, and an agent for its children, both played by a test.
import type { AgentTurn, Child } from '../src/agent/agent.ts';
import type { Limits } from '../src/kernel/limits.ts';
import { parseEvent } from '../src/log/event.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { type Act, send, Stage, type StageOptions } from './session-stage.ts';

export interface Family {
  world: TestRuntime;
  boss: Stage;
  worker: Stage;
  /** The parent's running turn, by id and as it is played. */
  turn: string;
  act: Act;
}

export interface FamilyOptions extends Omit<TestRuntimeOptions, 'agents' | 'limits'> {
  boss?: StageOptions;
  worker?: StageOptions;
  limits?: Partial<Limits>;
  owner?: string;
}

/** A session `boss` whose first turn is running. */
export async function family(options: FamilyOptions = {}): Promise<Family> {
  const { boss: bossOptions, worker: workerOptions, owner, ...rest } = options;
  const boss = new Stage(bossOptions);
  const worker = new Stage(workerOptions);
  const world = await testRuntime({ ...rest, agents: { boss, worker } });
  if (owner !== undefined) await world.runtime.open('boss', { owner, agent: 'boss' });
  const { turn } = await send(world, 'boss', 'hello');
  return { world, boss, worker, turn, act: await boss.next() };
}

/** A child that is at work. */
export async function dig(
  { worker }: Pick<Family, 'worker'>,
  turn: AgentTurn,
  options: Parameters<AgentTurn['spawn']>[2] = {},
): Promise<{ child: Child; digging: Act }> {
  const child = await turn.spawn('worker', 'dig', options);
  return { child, digging: await worker.next() };
}

/** Resolves when the parent's log has progress of this kind, so many times. */
export async function progressed(world: TestRuntime, kind: string, times = 1): Promise<void> {
  const tail = await world.runtime.tail('boss');
  try {
    for (let left = times; left > 0;) {
      const seen = (await tail.next()).map(parseEvent);
      left -= seen.filter((event) => event.kind === 'child.progress' && event.body.kind === kind).length;
    }
  } finally {
    tail.close();
  }
}

export const keyOf = (act: Act): string => act.turn.session.key;

/** What a promise rejects with. */
export const thrown = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'nothing',
    (error: unknown) => error,
  );
