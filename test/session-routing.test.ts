// Routing: which session a key means, and what its first message makes.
//
// Shown here, by what a user sees (A: traps of session routing; F: edge values):
//   A-1   'two first messages at once open one agent, and both are answered in order'
//   A-1   'an agent that cannot open fails those who waited for it, and the next message tries again'
//   A-2   'two messages that meet a changed configuration remake the agent once'
//   A-25  'another agent or owner than the session has is a conflict, and nothing changes'
//   A-25  'a message from another channel does not move the session there'
//   A-26  'what an agent learns about its session cannot be changed by anybody'
//   A-26  'changing the labels one has passed in changes no session'
//   A-27  'projects are told apart to the letter, and one without a name is refused'
//   A-28  'looking at a session neither makes it, nor wakes it, nor keeps it in memory'
//   A.2   'an agent may be there at once, and one whose opening throws at once fails the message like any other'
//   A.2   'a runtime needs an agent, and its default must be one of them'
//   F     'an agent that never opens fails its message after a while, and what comes too late is closed'
//   F     'an agent that talks to its own session while it opens or answers does not lock it up'
import { expect, test } from 'vitest';
import type { Agent, AgentEvent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { gate, kinds, outcome, refusal, say, send, Stage } from './session-stage.ts';

const echo = async function* (): AsyncIterable<AgentEvent> {
  yield 'hi';
};

test('a first message makes the session, and the second finds it', async () => {
  await using world = await testRuntime();

  await say(world, 'alice/inbox', 'hello');
  const second = await say(world, 'alice/inbox', '/count');

  expect(second.text).toBe('2');
  expect((await world.runtime.sessions()).sessions).toHaveLength(1);
});

test('two first messages at once open one agent, and both are answered in order', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  const receipts = await Promise.all([send(world, 'chat', 'one'), send(world, 'chat', 'two')]);
  const first = await stage.next();
  first.end();
  const second = await stage.next();
  second.end();
  await outcome(world, 'chat', second.turn.id);

  expect([first.heard, second.heard]).toEqual([['one'], ['two']]);
  expect(new Set(receipts.map(({ session }) => session)).size).toBe(1);
  expect(stage.opened).toHaveLength(1);
});

test('twenty callers that make a session at once get the same one, made once', async () => {
  await using world = await testRuntime();

  const answers = await Promise.all(Array.from({ length: 20 }, () => world.runtime.open('room')));

  expect(new Set(answers.map(({ session }) => session.id)).size).toBe(1);
  expect(answers.filter(({ created }) => created)).toHaveLength(1);
  expect(await kinds(world, 'room')).toEqual(['session.created']);
});

test('an agent that cannot open fails those who waited for it, and the next message tries again', async () => {
  let broken = true;
  const stage = new Stage({
    opening() {
      if (broken) throw new Error('no such model');
    },
  });
  await using world = await testRuntime({ agents: { stage } });

  const receipts = await Promise.all([send(world, 'chat', 'one'), send(world, 'chat', 'two')]);
  const failed = await Promise.all(receipts.map(({ turn }) => outcome(world, 'chat', turn)));
  broken = false;
  const third = await send(world, 'chat', 'three');
  (await stage.next()).end();

  expect(failed.map((turn) => turn.outcome)).toEqual(['failed', 'failed']);
  expect(failed[0]?.error).toEqual({ code: 'agent.failed', message: 'no such model' });
  expect((await outcome(world, 'chat', third.turn)).outcome).toBe('completed');
  expect(stage.opened).toHaveLength(1);
});

test('an agent that never opens fails its message after a while, and what comes too late is closed', async () => {
  const open = gate();
  const stage = new Stage({ opening: ({ number }) => (number === 1 ? open.opened : undefined) });
  await using world = await testRuntime({ agents: { stage }, limits: { openMsMax: 1_000 } });

  const { turn } = await send(world, 'chat', 'hello');
  await world.clock.advance(1_000);
  const failed = await outcome(world, 'chat', turn);
  const next = send(world, 'chat', 'again');
  open.open();
  await world.clock.advance(0);

  expect(failed.outcome).toBe('failed');
  expect(failed.error?.code).toBe('keeper.hung');
  const act = await stage.next();
  act.end();
  expect((await outcome(world, 'chat', (await next).turn)).outcome).toBe('completed');
  expect(stage.opened.map(({ closed }) => closed)).toEqual(['error', undefined]);
});

test('two messages that meet a changed configuration remake the agent once', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const begun = await send(world, 'chat', 'zero');
  (await stage.next()).end();
  await outcome(world, 'chat', begun.turn);

  await world.runtime.dirty({ reason: 'config' });
  await Promise.all([send(world, 'chat', 'one'), send(world, 'chat', 'two')]);
  const first = await stage.next();
  first.end();
  const second = await stage.next();
  second.end();
  await outcome(world, 'chat', second.turn.id);

  expect([first.instance.number, second.instance.number]).toEqual([2, 2]);
  expect(stage.opened.map(({ closed }) => closed)).toEqual(['remade', undefined]);
});

test('another agent or owner than the session has is a conflict, and nothing changes', async () => {
  await using world = await testRuntime({ agents: { one: new Stage(), two: new Stage() } });
  await world.runtime.open('chat', { agent: 'one', owner: 'alice' });
  const before = await world.runtime.session('chat');

  const refusals = [
    await refusal(world.runtime.open('chat', { agent: 'two' })),
    await refusal(world.runtime.open('chat', { owner: 'bob' })),
    await refusal(send(world, 'chat', { input: 'hello', agent: 'two' })),
  ];

  expect(refusals).toEqual(['session.mismatch', 'session.mismatch', 'session.mismatch']);
  expect(await world.runtime.session('chat')).toEqual(before);
});

test('an agent that nobody registered is refused, and no session is made', async () => {
  await using world = await testRuntime();

  expect(await refusal(send(world, 'chat', { input: 'hello', agent: 'nobody' }))).toBe('agent.unknown');
  expect(await refusal(world.runtime.session('chat'))).toBe('session.not_found');
});

test('a message from another channel does not move the session there', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  await send(world, 'chat', { input: 'from the web', channel: 'web' });
  const web = await stage.next();
  web.end();
  await send(world, 'chat', { input: 'from the clock', channel: 'cron' });
  const cron = await stage.next();
  cron.end();

  expect([web.turn.channel, cron.turn.channel]).toEqual(['web', 'cron']);
  expect((await world.runtime.session('chat')).channel).toBe('web');
});

test('what an agent learns about its session cannot be changed by anybody', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  await world.runtime.open('chat', { owner: 'alice', channel: 'web', metadata: { team: 'blue' } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  act.end();
  const { session } = act.turn;

  expect(session).toMatchObject({
    key: 'chat',
    project: 'default',
    agent: 'stage',
    owner: 'alice',
    parent: null,
    metadata: { team: 'blue' },
  });
  expect(act.instance.context.session).toBe(session);
  expect(() => Object.assign(session, { owner: 'mallory' })).toThrow(TypeError);
});

test('changing the labels one has passed in changes no session', async () => {
  await using world = await testRuntime();
  const labels = ['urgent'];
  const metadata = { team: 'blue' };

  const { session } = await world.runtime.open('chat', { labels, metadata });
  labels.push('spam');
  metadata.team = 'red';
  (session.labels as string[]).push('spam');

  const now = await world.runtime.session('chat');
  expect([now.labels, now.metadata]).toEqual([['urgent'], { team: 'blue' }]);
});

test('projects are told apart to the letter, and one without a name is refused', async () => {
  await using world = await testRuntime();
  for (const name of ['a', 'A', 'a.b']) await world.runtime.addProject(name);

  for (const name of ['a', 'A', 'a.b']) {
    await world.runtime.open('chat', { title: `of ${name}` }, hostCaller(name));
  }

  const titles = await Promise.all(
    ['a', 'A', 'a.b'].map(async (name) => (await world.runtime.session('chat', hostCaller(name))).title),
  );
  expect(titles).toEqual(['of a', 'of A', 'of a.b']);
  expect(await refusal(world.runtime.session('chat'))).toBe('session.not_found');
  for (const name of ['', '.', '../a', '/a', 'a/', 'a b', '__proto__', 'x'.repeat(64)]) {
    expect(await refusal(world.runtime.addProject(name))).toBe('input.invalid');
  }
});

test('looking at a session neither makes it, nor wakes it, nor keeps it in memory', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { idleMsMax: 1_000, sweepMs: 0 } });
  const { turn } = await send(world, 'chat', 'hello');
  (await stage.next()).end();
  await outcome(world, 'chat', turn);

  await world.clock.advance(1_001);
  const seen = await world.runtime.session('chat');
  await world.runtime.transcript('chat');
  await world.runtime.sessions();
  world.runtime.stats();

  expect(seen.live).toBe(false);
  expect(stage.opened).toHaveLength(1);
  expect(stage.alive).toHaveLength(1); // Swept by nobody: what is shown is decided, what is there is untouched.
  expect(await refusal(world.runtime.session('nobody'))).toBe('session.not_found');
  expect((await world.runtime.sessions()).sessions).toHaveLength(1);
});

test('an agent may be there at once, and one whose opening throws at once fails the message like any other', async () => {
  let broken = false;
  const agent: Agent = {
    capabilities: functionAgent(echo).capabilities,
    open(context) {
      if (broken) throw new Error('no such model');
      return functionAgent(echo).open(context);
    },
  };
  await using world = await testRuntime({ agents: { agent } });

  const said = await say(world, 'chat', 'hello');
  broken = true;
  const failed = await say(world, 'other', 'hello');
  broken = false;

  expect(said.text).toBe('hi');
  expect(failed).toMatchObject({
    outcome: 'failed',
    error: { code: 'agent.failed', message: 'no such model' },
  });
  expect((await say(world, 'other', 'hello')).text).toBe('hi');
});

test('a runtime needs an agent, and its default must be one of them', async () => {
  expect(await refusal(testRuntime({ agents: {} }))).toBe('config.invalid');
  expect(await refusal(testRuntime({ agents: { stage: new Stage() }, defaultAgent: 'other' }))).toBe(
    'config.invalid',
  );
});

test('an agent that talks to its own session while it opens or answers does not lock it up', async () => {
  const heard: string[] = [];
  const stage = new Stage({
    opening: async () => {
      await world.runtime.send('chat', { input: 'from its opening' });
      heard.push((await world.runtime.session('chat')).state);
    },
  });
  await using world = await testRuntime({ agents: { stage } });

  await send(world, 'chat', 'hello');
  const first = await stage.next();
  await world.runtime.send('chat', { input: 'from its turn' });
  first.end();
  const second = await stage.next();
  second.end();
  const third = await stage.next();
  third.end();
  await outcome(world, 'chat', third.turn.id);

  expect([second.heard, third.heard]).toEqual([['from its opening'], ['from its turn']]);
  expect(heard).toEqual(['queued']);
});
