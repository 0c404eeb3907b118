// Access: tokens, their scopes and projects, and whose sessions a caller sees.
import { describe, expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Caller, Scope } from '../src/wire/access.ts';
import { refusal, seen, Stage } from './session-stage.ts';

const HOUR = 3_600_000;

/** A caller with a token of its own. */
const caller = async (
  world: TestRuntime,
  scopes: readonly Scope[],
  more: { owner?: string; project?: string } = {},
): Promise<Caller> => {
  const { project = 'default', ...rest } = more;
  const { secret } = await world.runtime.addToken({ name: 'test', scopes, ...rest }, hostCaller(project));
  const found = await world.runtime.authenticate(secret);
  if (found === null) throw new Error('The token is not known');
  return found;
};

describe('scopes', () => {
  const begin = async () => {
    const stage = new Stage();
    const world = await testRuntime({ agents: { stage } });
    const maker = await caller(world, ['read', 'send']);
    const { turn } = await world.runtime.send('chat', { input: 'hello' }, {}, maker);
    const act = await stage.next();
    act.turn.ask('sure', { kind: 'question', text: 'Sure?' }).catch(() => undefined);
    await seen(world, 'chat', 'request.opened');
    return { world, turn, request: (await world.runtime.requests())[0]?.id ?? '' };
  };

  test('each call needs its scope, or one of two, and no other gives it', async () => {
    const { world, turn, request } = await begin();
    await using _ = world;
    const { runtime } = world;
    const calls: Record<string, { scope: Scope | readonly Scope[]; call: (by: Caller) => unknown }> = {
      open: { scope: 'send', call: (by) => runtime.open('new', {}, by) },
      send: { scope: 'send', call: (by) => runtime.send('new', { input: 'x' }, {}, by) },
      update: { scope: 'send', call: (by) => runtime.update('chat', { title: 'x' }, by) },
      fork: { scope: 'send', call: (by) => runtime.fork('chat', { key: 'f' }, by) },
      alias: { scope: 'send', call: (by) => runtime.addAlias('chat', 'a', by) },
      cancel: { scope: 'send', call: (by) => runtime.cancel('chat', 'x', by) },
      cancelTurn: { scope: 'send', call: (by) => runtime.cancelTurn('chat', turn, 'x', by) },
      close: { scope: 'send', call: (by) => runtime.close('chat', {}, by) },
      session: { scope: 'read', call: (by) => runtime.session('chat', by) },
      sessions: { scope: 'read', call: (by) => runtime.sessions({}, by) },
      transcript: { scope: 'read', call: (by) => runtime.transcript('chat', by) },
      tree: { scope: 'read', call: (by) => runtime.tree('chat', by) },
      events: { scope: 'read', call: (by) => runtime.events('chat', { after: 0 }, by) },
      artifacts: { scope: 'read', call: (by) => runtime.artifacts('chat', by) },
      requests: { scope: ['read', 'approve'], call: (by) => runtime.requests(by) },
      export: { scope: 'read', call: (by) => runtime.export('chat', by) },
      agents: { scope: 'read', call: (by) => runtime.agents(by) },
      stats: { scope: 'read', call: (by) => runtime.stats(by) },
      answer: { scope: 'approve', call: (by) => runtime.answer('chat', request, { decision: 'deny' }, by) },
      evict: { scope: 'operate', call: (by) => runtime.evict('chat', by) },
      dirty: { scope: 'operate', call: (by) => runtime.dirty({ reason: 'x' }, by) },
      erase: { scope: 'admin', call: (by) => runtime.close('chat', { erase: true }, by) },
      projects: { scope: 'admin', call: (by) => runtime.projects(by) },
      addProject: { scope: 'admin', call: (by) => runtime.addProject('p', by) },
      removeProject: { scope: 'admin', call: (by) => runtime.removeProject('p', by) },
      tokens: { scope: 'admin', call: (by) => runtime.tokens(by) },
      addToken: { scope: 'admin', call: (by) => runtime.addToken({ name: 'x', scopes: ['read'] }, by) },
      removeToken: { scope: 'admin', call: (by) => runtime.removeToken('x', by) },
    };
    const all: readonly Scope[] = ['read', 'send', 'approve', 'operate', 'admin', 'post'];

    for (const [name, { scope, call }] of Object.entries(calls)) {
      const without = await caller(
        world,
        all.filter((other) => !scope.includes(other)),
      );
      expect([name, await refusal(async () => call(without))]).toEqual([name, 'auth.scope']);
    }
  });

  test('a turn that is not a person’s needs more than sending', async () => {
    await using world = await testRuntime();
    const sender = await caller(world, ['read', 'send']);
    const operator = await caller(world, ['send', 'operate']);

    for (const kind of ['schedule', 'always_on', 'child'] as const) {
      const call = { input: 'tick', kind };
      expect(await refusal(world.runtime.send('mine', call, {}, sender))).toBe('auth.scope');
      expect(await refusal(world.runtime.send('ours', call, {}, operator))).toBe('nothing');
    }
  });
});

describe('whose sessions', () => {
  test('a token sees the sessions it made, one that only reads sees all, one that operates works on all', async () => {
    await using world = await testRuntime();
    const one = await caller(world, ['read', 'send']);
    const two = await caller(world, ['read', 'send']);
    const viewer = await caller(world, ['read']);
    const operator = await caller(world, ['read', 'send', 'operate']);
    await world.runtime.open('of one', {}, one);
    await world.runtime.open('of two', {}, two);
    const sees = async (by: Caller) =>
      (await world.runtime.sessions({}, by)).sessions.map(({ key }) => key).toSorted();

    expect(await sees(one)).toEqual(['of one']);
    expect(await sees(viewer)).toEqual(['of one', 'of two']);
    expect(await sees(operator)).toEqual(['of one', 'of two']);
    expect(await refusal(world.runtime.session('of two', one))).toBe('session.not_found');
    expect(await refusal(world.runtime.send('of two', { input: 'x' }, {}, one))).toBe('session.not_found');
    expect(await refusal(world.runtime.open('of two', {}, one))).toBe('session.not_found');
    expect(await refusal(world.runtime.close('of two', {}, one))).toBe('session.not_found');
    expect(await refusal(world.runtime.send('of two', { input: 'x' }, {}, operator))).toBe('nothing');
  });

  test('a token bound to an owner makes and sees that owner’s sessions, whoever made them', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const phone = await caller(world, ['read', 'send'], { owner: 'alice' });
    const laptop = await caller(world, ['read', 'send'], { owner: 'alice' });
    const bob = await caller(world, ['read', 'send'], { owner: 'bob' });
    await world.runtime.send('inbox', { input: 'hello' }, {}, phone);
    const act = await stage.next();

    expect((await world.runtime.session('inbox', laptop)).owner).toBe('alice');
    expect([act.turn.session.owner, act.turn.author]).toEqual(['alice', 'alice']);
    expect(await refusal(world.runtime.session('inbox', bob))).toBe('session.not_found');
    expect((await world.runtime.sessions({}, bob)).sessions).toEqual([]);
    expect((await world.runtime.sessions({ owner: 'alice' }, bob)).sessions).toEqual([]);
  });

  test('saying who one is grants nothing', async () => {
    await using world = await testRuntime();
    const alice = await caller(world, ['read', 'send'], { owner: 'alice' });
    const bob = await caller(world, ['read', 'send'], { owner: 'bob' });
    await world.runtime.open('of alice', {}, alice);

    expect(await refusal(world.runtime.open('new', { owner: 'alice' }, bob))).toBe('auth.scope');
    expect(await refusal(world.runtime.open('of alice', { owner: 'alice' }, bob))).toBe('auth.scope');
    expect(await refusal(world.runtime.session('new'))).toBe('session.not_found');
  });

  test('requests are shown to whoever may see their sessions', async () => {
    await using world = await testRuntime();
    const alice = await caller(world, ['read', 'send', 'approve'], { owner: 'alice' });
    const bob = await caller(world, ['read', 'send', 'approve'], { owner: 'bob' });
    await world.runtime.send('inbox', { input: '/ask sure?' }, {}, alice);
    await seen(world, 'inbox', 'request.opened');

    const [request] = await world.runtime.requests(alice);
    const answers = [
      await refusal(world.runtime.answer('inbox', request?.id ?? '', { decision: 'allow' }, bob)),
      await refusal(world.runtime.answer('inbox', request?.id ?? '', { decision: 'allow' }, alice)),
    ];

    expect(await world.runtime.requests(bob)).toEqual([]);
    expect(answers).toEqual(['session.not_found', 'nothing']);
  });
});

describe('projects', () => {
  test('the same name in two projects is two sessions, and neither sees the other', async () => {
    await using world = await testRuntime();
    await world.runtime.addProject('other');
    const here = await caller(world, ['read', 'send', 'operate']);
    const there = await caller(world, ['read', 'send', 'operate'], { project: 'other' });
    const one = await world.runtime.open('chat', { title: 'here' }, here);
    const two = await world.runtime.open('chat', { title: 'there' }, there);
    await world.runtime.open('only here', {}, here);

    expect(one.session.id).not.toBe(two.session.id);
    expect([here.project, there.project]).toEqual(['default', 'other']);
    expect((await world.runtime.session('chat', there)).title).toBe('there');
    expect(await refusal(world.runtime.session('only here', there))).toBe('session.not_found');
    expect(await refusal(world.runtime.dirty({ project: 'default', reason: 'x' }, there))).toBe('auth.scope');
  });

  test('a project goes with its tokens, and not while it has sessions', async () => {
    await using world = await testRuntime();
    await world.runtime.addProject('other');
    const { secret } = await world.runtime.addToken({ name: 't', scopes: ['read'] }, hostCaller('other'));
    const known = await world.runtime.authenticate(secret);
    await world.runtime.open('chat', {}, hostCaller('other'));

    const inUse = await refusal(world.runtime.removeProject('other'));
    await world.runtime.close('chat', { erase: true }, hostCaller('other'));
    let told = false;
    if (known !== null) world.runtime.watchToken(known, () => (told = true));
    await world.runtime.removeProject('other');

    expect(inUse).toBe('project.in_use');
    expect([await world.runtime.authenticate(secret), told]).toEqual([null, true]);
    expect(await refusal(world.runtime.removeProject('other'))).toBe('project.not_found');
    expect(await refusal(world.runtime.removeProject('default'))).toBe('project.in_use');
    expect(await refusal(world.runtime.addProject('default'))).toBe('project.exists');
  });
});

describe('tokens', () => {
  test('a token is known by its secret, after a restart too, and only its hash is kept', async () => {
    await using world = await testRuntime();
    const made = await world.runtime.addToken({ name: 'ci', scopes: ['read', 'send'], owner: 'alice' });

    await world.restart();
    const found = await world.runtime.authenticate(made.secret);
    const listed = await world.runtime.tokens();

    expect(made.secret).toMatch(/^soj_[0-9A-Za-z]{40,}$/);
    expect(found).toMatchObject({ token: made.id, project: 'default', owner: 'alice' });
    expect([...(found?.scopes ?? [])]).toEqual(['read', 'send']);
    expect(listed.map(({ name }) => name)).toEqual(['ci']);
    expect(JSON.stringify(listed)).not.toContain(made.secret.slice(4, 20));
  });

  test('nearly the secret is not the secret', async () => {
    await using world = await testRuntime();
    const { secret } = await world.runtime.addToken({ name: 'ci', scopes: ['read'] });
    const last = secret.endsWith('0') ? '1' : '0';

    for (const wrong of [
      '',
      'soj_',
      secret.slice(0, -1),
      `${secret.slice(0, -1)}${last}`,
      `${secret} `,
      secret.toUpperCase(),
    ]) {
      expect(await world.runtime.authenticate(wrong)).toBeNull();
    }
  });

  test('a token that was removed is nobody at once, and whoever listened with it is told', async () => {
    await using world = await testRuntime();
    const { id, secret } = await world.runtime.addToken({ name: 'ci', scopes: ['read'] });
    const found = await world.runtime.authenticate(secret);
    let told = 0;
    if (found !== null) world.runtime.watchToken(found, () => (told += 1));

    await world.runtime.removeToken(id);

    expect([await world.runtime.authenticate(secret), told]).toEqual([null, 1]);
    expect(await refusal(world.runtime.removeToken(id))).toBe('token.not_found');
  });

  test('a token ends at its time, and whoever listened with it is told', async () => {
    await using world = await testRuntime();
    const expiresAt = new Date(world.clock.now() + HOUR).toISOString();
    const { secret } = await world.runtime.addToken({ name: 'ci', scopes: ['read'], expiresAt });
    const found = await world.runtime.authenticate(secret);
    let told = 0;
    if (found !== null) world.runtime.watchToken(found, () => (told += 1));

    await world.clock.advance(HOUR);
    const atTheTime = await world.runtime.authenticate(secret);
    await world.clock.advance(1);

    expect(atTheTime).not.toBeNull();
    expect([await world.runtime.authenticate(secret), told]).toEqual([null, 1]);
    expect(await world.runtime.tokens()).toEqual([]);
  });

  test('a token must have a name, scopes there are, and a time to come', async () => {
    await using world = await testRuntime();
    const past = new Date(world.clock.now() - 1).toISOString();

    for (const bad of [
      { name: '', scopes: ['read'] as const },
      { name: 'x'.repeat(101), scopes: ['read'] as const },
      { name: 'a\nb', scopes: ['read'] as const },
      { name: 'x', scopes: [] },
      { name: 'x', scopes: ['everything' as Scope] },
      { name: 'x', scopes: ['read'] as const, expiresAt: past },
      { name: 'x', scopes: ['read'] as const, expiresAt: 'tomorrow' },
    ]) {
      expect(await refusal(world.runtime.addToken(bad))).toBe('input.invalid');
    }
  });
});
