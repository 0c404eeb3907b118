// Remaking: a change of configuration reaches every live session at its next safe point, and breaks no turn.
//
// Shown here, by what a user sees (A: traps of session routing; A.2: its checklist):
//   A-3   'a new agent is there before the old one goes'
//   A-3   'an agent that cannot be made anew leaves the old one serving, and the session says so'
//   A-4   'a change that comes while a change is being made is not lost'
//   A-5   'a change reaches sessions whose agent is being opened at that moment'
//   A-6   'a change under a running turn: it ends on the old agent, and the next runs on the new one'
//   A-7   'a stale session is visible as such until it is remade'
//   A-16  'a hook that fails or hangs at a remaking fails no message'
//   A.2   'marking alone remakes nothing', 'marks are counted, by key, by agent, by project, or all', 'the last reason wins'
import { expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import type { Evicted } from '../src/runtime/hooks.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { type Act, bodies, gate, outcome, refusal, seen, send, Stage } from './session-stage.ts';

/** Sends, ends the turn at once, and gives the act. */
const turn = async (world: TestRuntime, stage: Stage, key: string, input = 'hello'): Promise<Act> => {
  const receipt = await send(world, key, input);
  const act = await stage.next();
  act.end();
  await outcome(world, key, receipt.turn);
  return act;
};

test('marking alone remakes nothing', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');

  const answer = await world.runtime.dirty({ reason: 'config' });
  await world.clock.advance(60_000);

  expect(answer).toEqual({ marked: 1 });
  expect(stage.opened).toHaveLength(1);
  expect((await turn(world, stage, 'chat')).instance.number).toBe(2);
  expect((await turn(world, stage, 'chat')).instance.number).toBe(2);
});

test('a stale session is visible as such until it is remade', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');
  const fresh = await world.runtime.session('chat');

  await world.runtime.dirty({ reason: 'config' });
  const stale = await world.runtime.session('chat');
  await turn(world, stage, 'chat');
  const remade = await world.runtime.session('chat');

  expect([fresh.dirty, stale.dirty, remade.dirty]).toEqual([false, true, false]);
  expect(remade.generation).toBeGreaterThan(fresh.generation);
  expect(await bodies(world, 'chat', 'session.remade')).toEqual([
    { reason: 'config', generation: remade.generation },
  ]);
  expect(world.runtime.stats()).toMatchObject({ remade: 1, evictions: { remade: 1 }, live: 1 });
});

test('a change under a running turn: it ends on the old agent, and the next runs on the new one', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const first = await send(world, 'chat', 'first');
  const act = await stage.next();
  const waiting = await send(world, 'chat', 'waiting');

  await world.runtime.dirty({ reason: 'config' });
  await act.say('still here');
  const during = [act.instance.closed, stage.opened.length];
  act.end();
  const next = await stage.next();
  next.end();
  await outcome(world, 'chat', waiting.turn);

  expect(during).toEqual([undefined, 1]);
  expect((await outcome(world, 'chat', first.turn)).text).toBe('still here');
  expect([act.instance.number, next.instance.number]).toEqual([1, 2]);
  expect(act.instance.closed).toBe('remade');
  expect(next.remembers).toEqual(['user: first', 'assistant: still here']);
});

test('a running turn can still be cancelled after a change', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const first = await send(world, 'chat', 'first');
  const act = await stage.next();

  await world.runtime.dirty({ reason: 'config' });
  const answer = await world.runtime.cancelTurn('chat', first.turn);

  expect(answer).toEqual({ outcome: 'cancelled', changed: true });
  expect(act.turn.signal.aborted).toBe(true);
});

test('a new agent is there before the old one goes', async () => {
  const steps: string[] = [];
  const stage = new Stage({
    opening: ({ number, previous }) => void steps.push(`open ${number} with ${JSON.stringify(previous)}`),
    snapshot: ({ number }) => ({ from: number }),
    closing: ({ number }) => void steps.push(`close ${number}`),
  });
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');

  await world.runtime.dirty({ reason: 'config' });
  await turn(world, stage, 'chat');

  expect(steps).toEqual(['open 1 with undefined', 'open 2 with {"from":1}', 'close 1']);
});

test('an agent that may exist only once is closed before its replacement opens, with what it left', async () => {
  const steps: string[] = [];
  const stage = new Stage({
    exclusive: true,
    opening: ({ number, previous }) => void steps.push(`open ${number} with ${JSON.stringify(previous)}`),
    snapshot({ number, closed }) {
      steps.push(`snapshot ${number}${closed === undefined ? '' : ' of a closed one'}`);
      return { from: number };
    },
    closing: ({ number }) => void steps.push(`close ${number}`),
  });
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');

  await world.runtime.dirty({ reason: 'config' });
  await turn(world, stage, 'chat');

  expect(steps).toEqual(['open 1 with undefined', 'snapshot 1', 'close 1', 'open 2 with {"from":1}']);
});

test('an agent that may exist only once is opened again as it was when its replacement fails', async () => {
  const stage = new Stage({
    exclusive: true,
    opening({ number }) {
      if (stage.opened.length === 1 && stage.opened[0]?.closed !== undefined && !failed) {
        failed = true;
        throw new Error(`no place for number ${number}`);
      }
    },
    snapshot: ({ number }) => ({ from: number }),
  });
  let failed = false;
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');

  await world.runtime.dirty({ reason: 'config' });
  const next = await turn(world, stage, 'chat');

  expect(failed).toBe(true);
  expect(next.instance.previous).toEqual({ from: 1 });
  expect((await world.runtime.session('chat')).dirty).toBe(true);
  expect(await bodies(world, 'chat', 'session.remade')).toMatchObject([{ reason: 'config' }]);
});

test('an agent that cannot be made anew leaves the old one serving, and the session says so', async () => {
  let broken = false;
  const closed: string[] = [];
  const stage = new Stage({
    opening() {
      if (broken) throw new Error('the config has a typo');
    },
    closing: (_opened, reason) => void closed.push(reason),
  });
  await using world = await testRuntime({ agents: { stage } });
  const first = await turn(world, stage, 'chat');
  let resource = '';
  const second = await send(world, 'chat', 'with a tool');
  const holder = await stage.next();
  await holder.turn.resource(
    'browser',
    async () => 'open',
    async () => void (resource = 'closed'),
  );
  holder.end();
  await outcome(world, 'chat', second.turn);

  broken = true;
  await world.runtime.dirty({ reason: 'config' });
  const served = await turn(world, stage, 'chat');
  const remade = await seen(world, 'chat', 'session.remade');
  const stale = await world.runtime.session('chat');
  broken = false;
  const after = await turn(world, stage, 'chat');

  expect(served.instance).toBe(first.instance);
  expect(remade.body).toMatchObject({ reason: 'config', error: 'the config has a typo' });
  expect(stale).toMatchObject({ live: true, dirty: true });
  expect([after.instance.number, closed, resource]).toEqual([2, ['remade'], 'closed']);
  expect(world.runtime.stats()).toMatchObject({ remade: 1, remakeFailed: 1 });
});

test('a change that comes while a change is being made is not lost', async () => {
  const second = gate();
  const stage = new Stage({ opening: ({ number }) => (number === 2 ? second.opened : undefined) });
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');
  await world.runtime.dirty({ reason: 'one' });
  await send(world, 'chat', 'meets the first change');
  await world.clock.advance(0);

  const { marked } = await world.runtime.dirty({ reason: 'two' });
  second.open();
  const act = await stage.next();
  act.end();
  const next = await turn(world, stage, 'chat');

  expect(marked).toBe(1);
  expect(act.instance.number).toBe(2); // It had asked before the second change.
  expect(next.instance.number).toBe(3);
  expect((await world.runtime.session('chat')).dirty).toBe(false);
});

test('a change reaches sessions whose agent is being opened at that moment', async () => {
  const open = gate();
  const stage = new Stage({ opening: ({ number }) => (number === 1 ? open.opened : undefined) });
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  await world.clock.advance(0);

  const { marked } = await world.runtime.dirty({ reason: 'config' });
  open.open();
  const first = await stage.next();
  first.end();
  await world.runtime.waitForIdle('chat');
  const next = await turn(world, stage, 'chat');

  expect(marked).toBe(1);
  expect([first.instance.number, next.instance.number]).toEqual([1, 2]);
});

test('marks are counted, by key, by agent, by project, or all', async () => {
  const one = new Stage();
  const two = new Stage();
  await using world = await testRuntime({ agents: { one, two } });
  await world.runtime.addProject('other');
  await turn(world, one, 'a');
  await turn(world, one, 'b');
  await send(world, 'c', { input: 'hello', agent: 'two' });
  (await two.next()).end();
  await world.runtime.waitForIdle('c');
  await world.runtime.send('a', { input: 'hello' }, {}, hostCaller('other'));
  (await one.next()).end();
  await world.runtime.waitForIdle('a', {}, hostCaller('other'));
  const mark = async (call: object, caller = hostCaller()) =>
    (await world.runtime.dirty({ reason: 'config', ...call }, caller)).marked;

  expect(await mark({ key: 'a' })).toBe(1);
  expect(await mark({ key: 'nobody' })).toBe(0);
  expect(await mark({ agent: 'one' })).toBe(3);
  expect(await mark({ agent: 'one', project: 'default' })).toBe(2);
  expect(await mark({ project: 'other' })).toBe(1);
  expect(await mark({ project: 'nowhere' })).toBe(0);
  expect(await mark({})).toBe(4);
  await world.runtime.evict('b');
  expect(await mark({})).toBe(3);
});

test('the last reason wins', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');

  await world.runtime.dirty({ reason: 'first' });
  await world.runtime.dirty({ reason: 'last' });
  await turn(world, stage, 'chat');

  expect(await bodies(world, 'chat', 'session.remade')).toMatchObject([{ reason: 'last' }]);
  expect(stage.opened).toHaveLength(2);
});

test('other agents under the same name serve after a mark, and what a session remembers stays', async () => {
  const before = new Stage();
  const after = new Stage();
  await using world = await testRuntime({ agents: { helper: before } });
  await turn(world, before, 'chat', 'remember me');

  world.runtime.replaceAgents({ helper: after });
  await world.runtime.dirty({ reason: 'config' });
  const act = await turn(world, after, 'chat');

  expect(act.remembers).toEqual(['user: remember me']);
  expect(before.alive).toEqual([]);
});

test('a session whose agent is not registered any more says so, and serves again when it is', async () => {
  const stage = new Stage();
  const other = new Stage();
  await using world = await testRuntime({ agents: { stage, other } });
  await turn(world, stage, 'chat');

  world.runtime.replaceAgents({ other });
  const refused = await refusal(send(world, 'chat', 'hello'));
  world.runtime.replaceAgents({ stage, other });

  expect(refused).toBe('agent.unknown');
  expect((await turn(world, stage, 'chat')).instance.number).toBe(1);
});

test('a hook that fails or hangs at a remaking fails no message', async () => {
  const called: Evicted[] = [];
  const stage = new Stage();
  const onSessionEvict = (one: Evicted): Promise<void> => {
    called.push(one);
    return called.length === 1 ? Promise.reject(new Error('the hook has a bug')) : gate().opened;
  };
  await using world = await testRuntime({ agents: { stage }, hooks: { onSessionEvict } });
  await turn(world, stage, 'chat');

  for (const number of [2, 3]) {
    await world.runtime.dirty({ reason: 'config' });
    expect((await turn(world, stage, 'chat')).instance.number).toBe(number);
  }

  expect(called.map(({ reason, idleMs }) => [reason, idleMs])).toEqual([
    ['remade', 0],
    ['remade', 0],
  ]);
});

test('what an agent left at a remaking is there after a crash', async () => {
  const stage = new Stage({ snapshot: ({ number }) => ({ from: number }) });
  await using world = await testRuntime({ agents: { stage } });
  await turn(world, stage, 'chat');
  await world.runtime.evict('chat');
  await turn(world, stage, 'chat');
  await world.runtime.dirty({ reason: 'config' });
  const third = await turn(world, stage, 'chat');

  await world.crash();
  const fourth = await turn(world, stage, 'chat');

  expect(third.instance.previous).toEqual({ from: 2 });
  expect(fourth.instance.previous).toEqual({ from: 2 }); // What the last one gave that could give anything.
});
