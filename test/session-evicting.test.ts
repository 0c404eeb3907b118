// Evicting: an idle session leaves memory, for a reason that is told, and comes back with everything it had.
//
// Shown here, by what a user sees (A: traps of session routing; A.2, A.4: its checklists; F: edge values):
//   A-15  'a quiet runtime puts idle sessions away by itself'
//   A-16  'a hook that fails, hangs or calls back in hurts nobody else, and is told why'
//   A-16  'a message that comes while its session is being put away waits for that'
//   A-17  'an evicted agent has said what it must not lose, and the next one gets it, also after a restart'
//   A-18  'a session that works, waits for a person, or has a child at work is not put away'
//   A-19  'a time that is no time is refused when the runtime is made; zero and infinity mean never'
//   A-20  'a clock that is set an hour forward or back evicts nobody'
//   A-22  'no timer is left when the runtime has shut down'
//   A.2   'a session idle for exactly the time allowed is kept, and one moment later it is gone'
//   A.2   'only using a session keeps it: looking at it does not'
//   A.4   'idle sessions are put away after thirty minutes, looked for every minute, unless told otherwise'
//   F     'what a session said is there after it was put away, and its numbers go on'
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, type Limits } from '../src/kernel/limits.ts';
import type { Evicted } from '../src/runtime/hooks.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { bodies, gate, outcome, refusal, say, seen, send, Stage } from './session-stage.ts';

const HOUR = 3_600_000;

/** A runtime that tells whom it put away; `gone` resolves when so many have been. */
const watched = async (options: TestRuntimeOptions = {}) => {
  const evicted: Evicted[] = [];
  const gates = Array.from({ length: 10 }, gate);
  const onSessionEvict = (one: Evicted): void => gates[evicted.push(one) - 1]?.open();
  const world = await testRuntime({
    limits: { idleMsMax: 10_000, sweepMs: 0 },
    hooks: { onSessionEvict },
    ...options,
  });
  const gone = (count: number) => Promise.all(gates.slice(0, count).map(({ opened }) => opened));
  return { world, evicted, gone };
};

const isLive = async (world: TestRuntime, key: string) => (await world.runtime.session(key)).live;

test('a session idle for exactly the time allowed is kept, and one moment later it is gone', async () => {
  const { world, evicted, gone } = await watched();
  await using _ = world;
  await say(world, 'chat', 'hello');

  await world.clock.advance(10_000);
  const atTheTime = await isLive(world, 'chat');
  await world.clock.advance(1);
  const after = await isLive(world, 'chat');
  await say(world, 'other', 'anything that touches the runtime');
  await gone(1);

  expect([atTheTime, after]).toEqual([true, false]);
  expect(evicted).toMatchObject([
    { key: 'chat', project: 'default', agent: 'scripted', reason: 'idle', idleMs: 10_001 },
  ]);
});

test('what a session said is there after it was put away, and its numbers go on', async () => {
  const { world } = await watched();
  await using _ = world;
  await say(world, 'chat', 'first words');
  const head = (await world.runtime.session('chat')).headSeq;

  await world.runtime.evict('chat');
  const recalled = await say(world, 'chat', '/recall 1');
  const log = (await world.runtime.events('chat', { after: 0 })).events;

  expect(recalled.text).toBe('first words');
  expect(await bodies(world, 'chat', 'session.evicted')).toEqual([{ reason: 'idle' }]);
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_event, index) => index + 1));
  expect(log.length).toBeGreaterThan(head + 1);
});

test('a quiet runtime puts idle sessions away by itself', async () => {
  const { world, evicted, gone } = await watched({ limits: { idleMsMax: 10_000, sweepMs: 1_000 } });
  await using _ = world;
  await say(world, 'a', 'hello');
  await say(world, 'b', 'hello');

  await world.clock.advance(11_000);
  await gone(2);

  expect(evicted.map(({ reason }) => reason)).toEqual(['idle', 'idle']);
  expect(world.runtime.stats()).toMatchObject({ live: 0, evictions: { idle: 2 } });
});

test('only using a session keeps it: looking at it does not', async () => {
  const { world } = await watched();
  await using _ = world;
  await say(world, 'used', 'hello');
  await say(world, 'seen', 'hello');

  for (let round = 0; round < 3; round += 1) {
    await world.clock.advance(6_000);
    await say(world, 'used', 'still here');
    await world.runtime.session('seen');
    await world.runtime.transcript('seen');
    await world.runtime.tree('seen');
  }

  expect([await isLive(world, 'used'), await isLive(world, 'seen')]).toEqual([true, false]);
});

test('idle sessions are put away after thirty minutes, looked for every minute, unless told otherwise', async () => {
  expect([DEFAULT_LIMITS.idleMsMax, DEFAULT_LIMITS.sweepMs]).toEqual([30 * 60_000, 60_000]);
  const evicted: Evicted[] = [];
  await using world = await testRuntime({ hooks: { onSessionEvict: (one) => void evicted.push(one) } });
  await say(world, 'chat', 'hello');

  await world.clock.advance(30 * 60_000);
  const atHalfAnHour = evicted.length;
  await world.clock.advance(60_000);
  await seen(world, 'chat', 'session.evicted');

  expect(atHalfAnHour).toBe(0);
  expect(await isLive(world, 'chat')).toBe(false);
});

test('a session that works, waits for a person, or has a child at work is not put away', async () => {
  const stage = new Stage({ steers: false });
  const { world, evicted } = await watched({ agents: { stage }, limits: { idleMsMax: 1_000, sweepMs: 500 } });
  await using _ = world;
  await send(world, 'works', 'hello');
  const works = await stage.next();
  await send(world, 'asks', 'hello');
  const asks = await stage.next();
  const answer = asks.turn.ask('sure', { kind: 'question', text: 'Sure?' });
  await seen(world, 'asks', 'request.opened');
  await send(world, 'parent', 'hello');
  const parent = await stage.next();
  await parent.turn.spawn('stage', 'do this');
  const child = await stage.next();
  parent.end();
  await world.runtime.waitForIdle('parent');

  await world.clock.advance(60_000);
  const keys = ['works', 'asks', 'parent'];
  const refused = await Promise.all(keys.map((key) => refusal(world.runtime.evict(key))));
  const during = evicted.length;
  child.end();
  await world.runtime.waitForIdle(child.turn.session.key);
  await world.clock.advance(2_000);
  await seen(world, 'parent', 'session.evicted');

  expect([refused, during]).toEqual([keys.map(() => 'session.busy'), 0]);
  expect([works.instance.closed, asks.instance.closed]).toEqual([undefined, undefined]);
  const [request] = await world.runtime.requests();
  await world.runtime.answer('asks', request?.id ?? '', { decision: 'allow', answer: 'yes' });
  expect(await answer).toEqual({ decision: 'allow', answer: 'yes' });
});

test('an evicted agent has said what it must not lose, and the next one gets it, also after a restart', async () => {
  const stage = new Stage({ snapshot: ({ number }) => (number === 4 ? undefined : { from: number }) });
  await using world = await testRuntime({ agents: { stage } });
  const begun = async () => {
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    act.end();
    await outcome(world, 'chat', turn);
    return act.instance.previous;
  };

  const previous = [await begun()];
  await world.runtime.evict('chat');
  previous.push(await begun());
  await world.restart();
  previous.push(await begun());
  await world.crash(); // The third had no time to say anything.
  previous.push(await begun());
  await world.runtime.evict('chat');
  previous.push(await begun());

  expect(previous).toEqual([undefined, { from: 1 }, { from: 2 }, { from: 2 }, undefined]);
});

test('an agent that cannot say what it must not lose is put away all the same', async () => {
  const stage = new Stage({
    snapshot() {
      throw new Error('out of paper');
    },
  });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  (await stage.next()).end();
  await outcome(world, 'chat', turn);

  const evicted = await world.runtime.evict('chat');

  expect(evicted).toBe(true);
  expect(stage.alive).toEqual([]);
  expect(await bodies(world, 'chat', 'session.evicted')).toEqual([{ reason: 'idle' }]);
  expect(world.logged.filter(({ event }) => event === 'keeper.flush_failed')).toHaveLength(1);
});

test('what an idle session left is not lost when somebody renames it before and while it leaves', async () => {
  const asked = gate();
  const answer = gate();
  const stage = new Stage({
    async snapshot() {
      asked.open();
      await answer.opened;
      return { notes: 'kept' };
    },
  });
  const { world, gone } = await watched({ agents: { stage, other: new Stage() } });
  await using _ = world;
  const { turn } = await send(world, 'chat', 'hello');
  (await stage.next()).end();
  await outcome(world, 'chat', turn);

  await world.clock.advance(10_001);
  await world.runtime.update('chat', { title: 'Its time is over, and nobody has noticed' });
  await send(world, 'other', { input: 'now somebody does', agent: 'other' });
  await asked.opened;
  await world.runtime.update('chat', { title: 'It is leaving' });
  answer.open();
  await gone(1);
  await send(world, 'chat', 'again');

  expect((await stage.next()).instance.previous).toEqual({ notes: 'kept' });
  expect(await bodies(world, 'chat', 'session.evicted')).toEqual([{ reason: 'idle' }]);
});

test('a message that comes while its session is being put away waits for that', async () => {
  const steps: string[] = [];
  const closing = gate();
  const close = gate();
  const stage = new Stage({
    opening: ({ number }) => void steps.push(`open ${number}`),
    async closing({ number }) {
      closing.open();
      await close.opened;
      steps.push(`closed ${number}`);
    },
  });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  (await stage.next()).end();
  await outcome(world, 'chat', turn);

  const evicting = world.runtime.evict('chat');
  await closing.opened;
  const receipt = await send(world, 'chat', 'again');
  steps.push(receipt.disposition);
  close.open();
  await evicting;
  (await stage.next()).end();

  expect(steps).toEqual(['open 1', 'started', 'closed 1', 'open 2']);
});

test('a hook that fails, hangs or calls back in hurts nobody else, and is told why', async () => {
  const told: string[] = [];
  const onSessionEvict = async ({ key, reason }: Evicted): Promise<void> => {
    told.push(`${key} ${reason}`);
    if (key === 'fails') throw new Error('the hook has a bug');
    if (key === 'hangs') await gate().opened;
    if (key === 'calls') told.push((await say(world, 'calls', '/count')).text);
  };
  await using world = await testRuntime({
    hooks: { onSessionEvict },
    limits: { idleMsMax: 1_000, sweepMs: 0, closeMsMax: 5_000 },
  });
  for (const key of ['fails', 'hangs', 'calls']) await say(world, key, 'hello');

  await world.clock.advance(1_001);
  const other = await say(world, 'other', 'hello');
  const again = await Promise.all(['fails', 'hangs'].map((key) => say(world, key, '/count')));

  expect(other.outcome).toBe('completed');
  expect(again.map(({ text }) => text)).toEqual(['2', '2']);
  expect(told.toSorted()).toEqual(['2', 'calls idle', 'fails idle', 'hangs idle']);
  expect(world.logged.filter(({ event }) => event === 'keeper.notify_failed')).toHaveLength(1);
});

test('an agent whose closing fails is gone, and the message that comes next gets a new one', async () => {
  const stage = new Stage({
    closing() {
      throw new Error('stuck');
    },
  });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  (await stage.next()).end();
  await outcome(world, 'chat', turn);

  expect(await world.runtime.evict('chat')).toBe(true);
  await send(world, 'chat', 'again');

  expect((await stage.next()).instance.number).toBe(2);
});

test('evicting what is not in memory says so', async () => {
  await using world = await testRuntime();
  await world.runtime.open('chat');

  expect(await world.runtime.evict('chat')).toBe(false);
});

test('a time that is no time is refused when the runtime is made; zero and infinity mean never', async () => {
  const made = async (limits: Partial<Limits>) => {
    try {
      await using world = await testRuntime({ limits });
      await say(world, 'chat', 'hello');
      await world.clock.advance(10_000 * HOUR);
      return await isLive(world, 'chat');
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  for (const idleMsMax of [Number.NaN, -1, -Infinity, '1000' as unknown as number]) {
    expect(await made({ idleMsMax })).toBe('config.invalid');
  }
  expect(await made({ sweepMs: Number.NaN })).toBe('config.invalid');
  expect(await made({ cancelMsMax: 0 })).toBe('config.invalid');
  expect(await made({ ['idleMax' as keyof Limits]: 5 })).toBe('config.invalid');
  expect(await made({ idleMsMax: 0, sweepMs: HOUR * 1_000 })).toBe(true);
  expect(await made({ idleMsMax: Infinity, sweepMs: HOUR * 1_000 })).toBe(true);
});

test('a time beyond what a timer can count is not over at once', async () => {
  const longMs = 2 ** 31;
  const stage = new Stage();
  const limits = {
    idleMsMax: longMs,
    openMsMax: longMs,
    turnMs: longMs,
    turnMsMax: longMs,
    cancelMsMax: longMs,
  };
  await using world = await testRuntime({ agents: { stage }, limits });
  await send(world, 'chat', 'hello');
  const act = await stage.next();

  await world.clock.advance(HOUR);

  expect(act.turn.signal.aborted).toBe(false);
  expect(act.turn.leftMs()).toBe(longMs - HOUR);
});

test('a clock that is set an hour forward or back evicts nobody', async () => {
  const { world, evicted, gone } = await watched({ limits: { idleMsMax: 60_000, sweepMs: 1_000 } });
  await using _ = world;
  await say(world, 'chat', 'hello');

  world.clock.jumpWall(HOUR);
  await world.clock.advance(30_000);
  const afterForward = await isLive(world, 'chat');
  world.clock.jumpWall(-2 * HOUR);
  await world.clock.advance(29_000);
  const afterBack = await isLive(world, 'chat');
  await world.clock.advance(2_000);
  await gone(1);

  expect([afterForward, afterBack]).toEqual([true, true]);
  expect(evicted).toHaveLength(1);
});

test('two sessions that fall due at the same moment are both put away, once', async () => {
  const { world, evicted, gone } = await watched({ limits: { idleMsMax: 1_000, sweepMs: 500 } });
  await using _ = world;
  await Promise.all([say(world, 'a', 'hello'), say(world, 'b', 'hello')]);

  await world.clock.advance(5_000);
  await gone(2);

  expect(evicted.map(({ key }) => key).toSorted()).toEqual(['a', 'b']);
});

test('no timer is left when the runtime has shut down', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'hello');
  await send(world, 'asks', '/ask sure?');
  await seen(world, 'asks', 'request.opened');

  const over = world.runtime.shutdown(1_000);
  await world.clock.advance(1_000);
  await over;

  expect(world.clock.pending).toBe(0);
});
