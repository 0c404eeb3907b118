// More sessions of an ACP agent than it may have processes: those that are idle do without.
import { afterAll, afterEach, expect, test } from 'vitest';
import type { Agent, AgentEvent, Instance } from '../src/agent/agent.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { allOf, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { echo, scratch } from './acp-stage.ts';
import { isRunning } from './process-scene.ts';
import { say } from './session-stage.ts';

const { folder, remove } = scratch();
afterAll(remove);

const opened: Instance[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (instance) => instance.close('closed')));
});

async function open(agent: Agent): Promise<Instance> {
  const instance = await agent.open(testContext(systemClock));
  opened.push(instance);
  return instance;
}

const events = (instance: Instance, input: string): Promise<AgentEvent[]> =>
  allOf(instance.run(testTurn({ input, clock: systemClock }).turn));

const answer = async (instance: Instance, input: string): Promise<string> =>
  textSaid(await events(instance, input));

const pidOf = async (instance: Instance): Promise<number> => Number(await answer(instance, '/pid'));

/** At work from then on, until it is closed. */
async function busy(instance: Instance): Promise<{ stop: () => Promise<unknown> }> {
  const play = testTurn({ input: '/words 100000 5', clock: systemClock });
  const spoken = Promise.withResolvers<void>();
  const running = (async () => {
    for await (const _said of instance.run(play.turn)) spoken.resolve();
  })();
  running.catch(() => undefined);
  await spoken.promise;
  return {
    async stop() {
      play.abort(new Error('enough'));
      await running.catch(() => undefined);
    },
  };
}

test('the session that was idle the longest gives its process up, and goes on with its memory later', async () => {
  const agent = echo({ folder, processesMax: 2 });
  const [ada, bob] = [await open(agent), await open(agent)];
  await answer(ada, 'my name is Ada');
  const bobs = await pidOf(bob);
  const adas = await pidOf(ada);

  const cleo = await open(agent);
  const cleos = await pidOf(cleo);

  expect([adas, bobs, cleos].map(isRunning)).toEqual([true, false, true]);
  expect(await answer(bob, '/recall 1')).toBe('/pid');
  expect([adas, cleos].map(isRunning)).toEqual([false, true]);
  expect(await answer(ada, '/recall 1')).toBe('my name is Ada');
});

test('when all are at work there is no place, and one again when a turn is over', async () => {
  const agent = echo({ folder, processesMax: 2 });
  const [ada, bob] = [await open(agent), await open(agent)];
  const [work, more] = [await busy(ada), await busy(bob)];

  await expect(open(agent)).rejects.toMatchObject({ code: 'process.limit', retryAfterMs: 1_000 });

  await work.stop();
  expect(await answer(await open(agent), 'hello')).toBe('You said: hello');
  await more.stop();
});

test('who comes while a place is being freed waits for it', async () => {
  const agent = echo({ folder, processesMax: 1 });
  const ada = await open(agent);
  await answer(ada, 'hello');

  const closing = ada.close('closed');
  const bob = await open(agent);

  expect(await answer(bob, 'hello')).toBe('You said: hello');
  await closing;
  opened.splice(opened.indexOf(ada), 1);
});

test('one that was asked nothing yet gives its place away, and has forgotten nothing', async () => {
  const agent = echo({ folder, processesMax: 1 });
  const ada = await open(agent);
  const bob = await open(agent);

  expect(textSaid(await events(bob, '/count'))).toBe('This session has had 1 prompts.');
  const said = await events(ada, '/count');

  expect(textSaid(said)).toBe('This session has had 1 prompts.');
  expect(said.some((one) => typeof one !== 'string' && one.kind === 'message')).toBe(false);
});

test.each([{ forgets: true }, { resumes: false }])(
  'an agent that would forget keeps its process: %o',
  async (options) => {
    const agent = echo({ folder, processesMax: 1, ...options });
    const ada = await open(agent);

    await expect(open(agent)).rejects.toMatchObject({ code: 'process.limit' });

    expect(await answer(ada, 'hello')).toBe('You said: hello');
  },
);

test('three conversations go on in turn with two processes', async () => {
  const world = await testRuntime({ agents: { echo: echo({ folder, processesMax: 2 }) } });
  try {
    for (const round of [1, 2]) {
      for (const key of ['ada', 'bob', 'cleo']) {
        const view = await say(world, key, '/count');
        expect(view).toMatchObject({
          outcome: 'completed',
          text: `This session has had ${round} prompts.`,
        });
      }
    }
  } finally {
    await world.runtime.shutdown(0);
    await world.close();
  }
});
