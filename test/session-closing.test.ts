// Closing: for good. What runs is stopped, what it held is freed, what was said stays; erasing takes that, too.
//
// Shown here, by what a user sees (A: traps of session routing; A.2: its checklist; E: the table of outcomes):
//   A-9   'closing stops the running turn, frees its agent, and says that it was there'
//   A-9   'the key of a closed session is never served by a second one'
//   A-10  'a session that is closed while its agent is being opened does not come back'
//   A-17  'an agent has written what must not be lost before it is closed'
//   A.2   'closing a session that nobody has made is refused, and tells no hook'
//   E     'closing while it is absent, opening, idle, running, waiting for a person, being remade or being put away'
import { expect, test } from 'vitest';
import type { Evicted } from '../src/runtime/hooks.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import {
  bodies,
  events,
  gate,
  kinds,
  outcome,
  refusal,
  say,
  seen,
  send,
  spoken,
  Stage,
} from './session-stage.ts';

const running = async (options: ConstructorParameters<typeof Stage>[0] = {}) => {
  const evicted: Evicted[] = [];
  const stage = new Stage(options);
  const hooks = { onSessionEvict: (one: Evicted) => void evicted.push(one) };
  const world = await testRuntime({ agents: { stage }, hooks });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  return { stage, world, turn, act, evicted };
};

test('closing stops the running turn, frees its agent, and says that it was there', async () => {
  const { world, turn, act, evicted } = await running();
  await using _ = world;
  await act.say('As I was');
  const waiting = await send(world, 'chat', 'waiting');

  const closed = await world.runtime.close('chat', { reason: 'done here' });

  expect(closed).toMatchObject({ state: 'closed', live: false, turn: null, queued: 0 });
  expect(act.turn.signal.aborted).toBe(true);
  expect(act.instance.closed).toBe('closed');
  expect(evicted.map(({ key, reason }) => [key, reason])).toEqual([['chat', 'closed']]);
  expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
  expect((await outcome(world, 'chat', waiting.turn)).outcome).toBe('cancelled');
  expect((await events(world, 'chat')).at(-1)).toMatchObject({
    kind: 'session.closed',
    body: { reason: 'done here' },
  });
});

test('a closed session keeps its history, and takes no message any more', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'hello');
  await world.runtime.close('chat');
  const head = (await world.runtime.session('chat')).headSeq;

  const refused = [
    await refusal(send(world, 'chat', 'anybody?')),
    await refusal(send(world, 'chat', { input: 'anybody?', policy: 'interrupt' })),
  ];
  await world.restart();
  refused.push(await refusal(send(world, 'chat', 'anybody?')));

  expect(refused).toEqual(['session.closed', 'session.closed', 'session.closed']);
  expect(spoken(await world.runtime.transcript('chat'))).toEqual([
    'user: hello',
    'assistant: You said: hello',
  ]);
  expect(await world.runtime.session('chat')).toMatchObject({ state: 'closed', headSeq: head });
});

test('the key of a closed session is never served by a second one', async () => {
  const { stage, world, act } = await running({ deaf: true });
  await using _ = world;

  const closing = world.runtime.close('chat');
  await world.clock.advance(0);
  const meanwhile = await Promise.all([
    refusal(send(world, 'chat', 'me too')),
    refusal(send(world, 'chat', { input: 'me too', policy: 'interrupt' })),
    world.runtime.open('chat').then(({ created }) => created),
  ]);
  act.end();
  await closing;

  expect(meanwhile).toEqual(['session.closed', 'session.closed', false]);
  expect(stage.opened).toHaveLength(1);
});

test('closing twice at once closes once, and both are told when it is done', async () => {
  const { world, act, evicted } = await running();
  await using _ = world;

  const closed = await Promise.all([world.runtime.close('chat'), world.runtime.close('chat')]);
  const again = await world.runtime.close('chat');

  expect([...closed, again].map((one) => one?.state)).toEqual(['closed', 'closed', 'closed']);
  expect(act.instance.closed).toBe('closed');
  expect(evicted).toHaveLength(1);
  expect(await bodies(world, 'chat', 'session.closed')).toHaveLength(1);
});

test('a session that is closed while its agent is being opened does not come back', async () => {
  const open = gate();
  const stage = new Stage({ opening: () => open.opened });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');

  const closing = world.runtime.close('chat');
  await outcome(world, 'chat', turn);
  open.open();
  await closing;

  expect(await world.runtime.session('chat')).toMatchObject({ state: 'closed', live: false });
  expect(stage.alive).toEqual([]);
  expect(world.runtime.stats().live).toBe(0);
  expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
});

test('a session that is closed while its agent never opens is closed all the same', async () => {
  const stage = new Stage({ opening: () => gate().opened });
  await using world = await testRuntime({ agents: { stage }, limits: { closeMsMax: 1_000 } });
  const { turn } = await send(world, 'chat', 'hello');

  const closing = world.runtime.close('chat');
  await outcome(world, 'chat', turn);
  await world.clock.advance(1_000);

  expect((await closing)?.state).toBe('closed');
});

test('an agent has written what must not be lost before it is closed', async () => {
  const steps: string[] = [];
  const stage = new Stage({
    snapshot: () => {
      steps.push('snapshot');
      return { notes: 'kept' };
    },
    closing: () => void steps.push('close'),
  });
  const hooks = { onSessionEvict: () => void steps.push('hook') };
  await using world = await testRuntime({ agents: { stage }, hooks });
  await send(world, 'chat', 'hello');
  (await stage.next()).end();

  await world.runtime.close('chat');

  expect(steps).toEqual(['snapshot', 'close', 'hook']);
  expect((await kinds(world, 'chat')).slice(-2)).toEqual(['session.evicted', 'session.closed']);
});

test('an agent whose closing hangs or fails does not keep the session open', async () => {
  const called = gate();
  const stage = new Stage({
    closing({ number }) {
      if (number !== 1) throw new Error('stuck');
      called.open();
      return gate().opened;
    },
  });
  await using world = await testRuntime({ agents: { stage }, limits: { closeMsMax: 1_000 } });
  await send(world, 'hangs', 'hello');
  (await stage.next()).end();
  await world.runtime.waitForIdle('hangs');
  await send(world, 'fails', 'hello');
  (await stage.next()).end();
  await world.runtime.waitForIdle('fails');

  const fails = await world.runtime.close('fails');
  const hangs = world.runtime.close('hangs');
  await called.opened;
  await world.clock.advance(1_000);

  expect([fails?.state, (await hangs)?.state]).toEqual(['closed', 'closed']);
  const warnings = world.logged.filter(({ event }) => event === 'live.close_failed');
  expect(warnings).toHaveLength(2);
});

test('closing a session that nobody has made is refused, and tells no hook', async () => {
  const evicted: Evicted[] = [];
  await using world = await testRuntime({ hooks: { onSessionEvict: (one) => void evicted.push(one) } });

  expect(await refusal(world.runtime.close('nobody'))).toBe('session.not_found');
  expect(await refusal(world.runtime.evict('nobody'))).toBe('session.not_found');
  expect(evicted).toEqual([]);
});

test('closing while it is absent, opening, idle, running, waiting for a person, being remade or being put away', async () => {
  const open = gate();
  const away = gate();
  const evicted: string[] = [];
  const stage = new Stage({
    rerun: 'safe',
    opening: ({ context, previous }) =>
      context.session.key === 'opening' || previous === 'remade' ? open.opened : undefined,
    snapshot: ({ context }) => (context.session.key === 'remaking' ? 'remade' : undefined),
    closing: ({ context }) => (context.session.key === 'leaving' ? away.opened : undefined),
  });
  const hooks = { onSessionEvict: ({ key }: Evicted) => void evicted.push(key) };
  await using world = await testRuntime({ agents: { stage }, hooks });
  const begin = async (key: string) => {
    await send(world, key, 'hello');
    return stage.next();
  };

  await world.runtime.open('absent');
  await send(world, 'opening', 'hello');
  for (const key of ['idle', 'remaking', 'leaving']) {
    (await begin(key)).end();
    await world.runtime.waitForIdle(key);
  }
  await begin('running');
  const asking = await begin('asking');
  asking.turn.ask('sure', { kind: 'question', text: 'Sure?' }).catch(() => asking.end());
  await seen(world, 'asking', 'request.opened');
  await asking.left;
  await world.runtime.dirty({ key: 'remaking', reason: 'config' });
  await send(world, 'remaking', 'again');
  const leaving = world.runtime.evict('leaving');

  const keys = ['absent', 'opening', 'idle', 'running', 'asking', 'remaking', 'leaving'];
  const closings = Promise.all(keys.map((key) => world.runtime.close(key)));
  await world.clock.advance(0);
  open.open();
  away.open();
  await leaving;
  const closed = await closings;

  expect(closed.map((one) => [one?.state, one?.live])).toEqual(keys.map(() => ['closed', false]));
  expect(stage.alive).toEqual([]);
  expect(world.runtime.stats()).toMatchObject({ live: 0, running: 0, queued: 0, waiting: 0 });
  expect(evicted.filter((key, index) => evicted.indexOf(key) === index).toSorted()).toEqual(
    ['asking', 'idle', 'leaving', 'remaking', 'running'].toSorted(),
  );
  for (const key of keys) expect((await kinds(world, key)).at(-1)).toBe('session.closed');
});

test('erasing takes the history, and the key is free for another session', async () => {
  await using world = await testRuntime();
  const { id } = (await world.runtime.open('chat', { title: 'Secrets' })).session;
  await say(world, 'chat', 'the password is hunter2');
  await say(world, 'chat', '/big 100000');
  const [artifact] = await world.runtime.artifacts('chat');

  const answer = await world.runtime.close('chat', { erase: true });
  const gone = [
    await refusal(world.runtime.session('chat')),
    await refusal(world.runtime.events('chat', { after: 0 })),
    await refusal(world.runtime.artifact('chat', artifact?.id ?? '')),
    await refusal(world.store.files.read('default', artifact?.id ?? '')),
  ];
  const again = await say(world, 'chat', '/count');

  expect(answer).toBeNull();
  expect(gone).toEqual(['session.not_found', 'session.not_found', 'session.not_found', 'artifact.not_found']);
  expect(again.text).toBe('1');
  expect((await world.runtime.session('chat')).id).not.toBe(id);
  expect((await world.runtime.sessions({ q: 'hunter2' })).sessions).toEqual([]);
});

test('erasing leaves what another session still refers to', async () => {
  await using world = await testRuntime();
  await say(world, 'mine', '/big 100000');
  await say(world, 'yours', '/big 100000');
  const [artifact] = await world.runtime.artifacts('yours');

  await world.runtime.close('mine', { erase: true });

  expect((await world.runtime.artifact('yours', artifact?.id ?? '')).bytes).toHaveLength(100_000);
});

test('an agent that says it is done closes its session with the turn', async () => {
  const { stage, world, turn, act } = await running();
  await using _ = world;
  const waiting = await send(world, 'chat', 'too late');

  act.turn.completeSession();
  await act.say('Goodbye.');
  act.end();
  await outcome(world, 'chat', turn);
  await seen(world, 'chat', 'session.closed');

  expect((await bodies(world, 'chat', 'turn.ended'))[0]).toMatchObject({
    outcome: 'completed',
    sessionCompleted: true,
  });
  expect((await outcome(world, 'chat', waiting.turn)).outcome).toBe('cancelled');
  expect(await refusal(send(world, 'chat', 'hello?'))).toBe('session.closed');
  expect(stage.alive).toEqual([]);
});

test('an agent that says it is done, and then fails, is not done', async () => {
  const { world, turn, act } = await running();
  await using _ = world;

  act.turn.completeSession();
  act.fail(new Error('oh'));
  const view = await outcome(world, 'chat', turn);

  expect(view.outcome).toBe('failed');
  expect((await world.runtime.session('chat')).state).toBe('idle');
});
