// Claims: whose an identity is, in a runtime with tokens and projects. Where each trap is shown:
//
//   D-18  'nobody but its owner speaks as an identity that was claimed', 'who did not make an identity cannot claim it, but an operator can give it'
import { expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Caller, Scope } from '../src/wire/access.ts';
import { codeOf } from './identity-world.ts';

const HAL = { name: 'Hal' };

async function token(
  { runtime }: TestRuntime,
  more: { owner?: string; scopes?: readonly Scope[]; project?: string; expiresAt?: string } = {},
): Promise<{ id: string; caller: Caller }> {
  const { project = 'default', ...rest } = more;
  const { id, secret } = await runtime.addToken(
    { name: 't', scopes: ['read', 'send'], ...rest },
    hostCaller(project),
  );
  const caller = await runtime.authenticate(secret);
  if (caller === null) throw new Error('The token is not known');
  return { id, caller };
}

test('nobody but its owner speaks as an identity that was claimed', async () => {
  await using world = await testRuntime();
  const { signIns } = world.runtime;
  const [alice, bob, nobody] = [
    await token(world, { owner: 'alice' }),
    await token(world, { owner: 'bob' }),
    await token(world),
  ];
  const operator = await token(world, { scopes: ['send', 'operate', 'admin'] });

  const mine = await signIns.signIn({ ...HAL, claim: true }, alice.caller);

  expect(mine.identity.owner).toBe('alice');
  for (const { caller } of [bob, nobody, operator])
    expect(await codeOf(signIns.signIn({ name: 'HAL ' }, caller))).toBe('identity.claimed');
  expect(await codeOf(signIns.signIn(HAL))).toBe('identity.claimed');
  expect((await signIns.signIn(HAL, alice.caller)).identity.id).toBe(mine.identity.id);
  await world.restart();
  expect(await codeOf(world.runtime.signIns.signIn(HAL, bob.caller))).toBe('identity.claimed');
  expect((await world.runtime.signIns.speaker(mine.token)).owner).toBe('alice');
});

test('an owner who made an identity claims it later, and who else spoke as it is out', async () => {
  await using world = await testRuntime();
  const { runtime } = world;
  const { signIns } = runtime;
  const [alice, bob] = [await token(world, { owner: 'alice' }), await token(world, { owner: 'bob' })];
  const mine = await signIns.signIn(HAL, alice.caller);
  const guest = await signIns.signIn(HAL, bob.caller);
  let closed = 0;
  runtime.watchToken(await signIns.speaker(guest.token), () => (closed += 1));

  await signIns.signIn({ ...HAL, claim: true }, alice.caller);

  expect(await signIns.validate(guest.token)).toEqual({ kind: 'claimed' });
  expect(await signIns.validate(mine.token)).toMatchObject({
    kind: 'live',
    signIn: { identity: { owner: 'alice' } },
  });
  expect(closed).toBe(1);
});

test('who did not make an identity cannot claim it, but an operator can give it', async () => {
  await using world = await testRuntime();
  const { signIns } = world.runtime;
  const [alice, bob, nobody] = [
    await token(world, { owner: 'alice' }),
    await token(world, { owner: 'bob' }),
    await token(world),
  ];
  const { identity, token: secret } = await signIns.signIn(HAL, nobody.caller);

  expect(await codeOf(signIns.signIn({ ...HAL, claim: true }, bob.caller))).toBe('identity.claimed');
  expect(await codeOf(signIns.signIn({ name: 'Eve', claim: true }, nobody.caller))).toBe('input.invalid');
  expect(await codeOf(signIns.setOwner(identity.id, 'bob', bob.caller))).toBe('auth.scope');
  const operator = await token(world, { scopes: ['operate'] });
  expect((await signIns.setOwner(identity.id, 'bob', operator.caller)).owner).toBe('bob');
  expect((await signIns.validate(secret)).kind).toBe('claimed');
  expect(await codeOf(signIns.signIn(HAL, alice.caller))).toBe('identity.claimed');
  expect(await codeOf(signIns.signIn(HAL, bob.caller))).toBe('none');
  await signIns.setOwner(identity.id, null, operator.caller);
  expect(await codeOf(signIns.signIn(HAL, alice.caller))).toBe('none');
  expect(await codeOf(signIns.setOwner('nobody', null, operator.caller))).toBe('identity.not_found');
});

test('a sign-in ends with the token it was made with, also where that had ended a moment before', async () => {
  await using world = await testRuntime();
  const { runtime } = world;
  const { signIns } = runtime;
  const { id, caller } = await token(world);
  const made = await signIns.signIn(HAL, caller);
  let closed = 0;
  runtime.watchToken(await signIns.speaker(made.token), () => (closed += 1));

  await runtime.removeToken(id);

  expect(await signIns.validate(made.token)).toEqual({ kind: 'revoked' });
  expect(closed).toBe(1);
  expect(await codeOf(signIns.signIn(HAL, caller))).toBe('auth.required');
  await world.restart();
  expect(await world.runtime.signIns.validate(made.token)).toEqual({ kind: 'revoked' });
});

test('a sign-in does not outlive the token it was made with', async () => {
  await using world = await testRuntime();
  const { signIns } = world.runtime;
  const expiresAt = new Date(world.clock.now() + 60_000).toISOString();
  const made = await signIns.signIn(HAL, (await token(world, { expiresAt })).caller);

  expect(made.expiresAt).toBe(expiresAt);
  await world.clock.advance(60_001);
  expect((await signIns.validate(made.token)).kind).toBe('expired');
});

test('a project has its own identities, and takes its sign-ins with it', async () => {
  await using world = await testRuntime();
  const { runtime } = world;
  const { signIns } = runtime;
  await runtime.addProject('other');
  const here = await signIns.signIn(HAL);
  const there = await signIns.signIn(HAL, hostCaller('other'));
  let closed = 0;
  runtime.watchToken(await signIns.speaker(there.token), () => (closed += 1));

  expect(there.identity.id).not.toBe(here.identity.id);
  expect(there.identity.identityKey).toBe(here.identity.identityKey);
  expect(await codeOf(signIns.identity(there.identity.id))).toBe('identity.not_found');
  expect((await signIns.list({}, hostCaller('other'))).signIns.map(({ id }) => id)).toEqual([there.id]);
  expect(await codeOf(signIns.end(there.id))).toBe('sign-in.not_found');
  await runtime.removeProject('other');
  expect((await signIns.validate(there.token)).kind).toBe('unknown');
  expect((await signIns.validate(here.token)).kind).toBe('live');
  expect(closed).toBe(1);
});

test('a sign-in stands for the owner it was made for, whoever else may speak as its identity', async () => {
  await using world = await testRuntime();
  const { signIns } = world.runtime;
  const alice = await token(world, { owner: 'alice' });

  const mine = await signIns.signIn(HAL, alice.caller);
  const other = await signIns.signIn(HAL);

  expect([mine.identity.owner, mine.owner, other.owner]).toEqual([null, 'alice', null]);
  expect((await signIns.speaker(mine.token)).owner).toBe('alice');
  expect((await signIns.speaker(other.token)).owner).toBe(null);
});

test('a sign-in may post and do nothing else', async () => {
  await using world = await testRuntime();
  const { runtime } = world;
  const made = await runtime.signIns.signIn(HAL);
  const caller = await runtime.authenticate(made.token);
  if (caller === null) throw new Error('The sign-in is not known');

  expect([...caller.scopes]).toEqual(['post']);
  expect([caller.project, caller.token, caller.signIn?.identity.id]).toEqual([
    'default',
    made.id,
    made.identity.id,
  ]);
  for (const call of [
    runtime.sessions({}, caller),
    runtime.send('a', { input: 'x' }, {}, caller),
    runtime.addToken({ name: 'x', scopes: ['admin'] }, caller),
    runtime.signIns.signIn({ name: 'Eve' }, caller),
    runtime.signIns.list({}, caller),
    runtime.signIns.identities({}, caller),
    runtime.signIns.end(made.id, caller),
    runtime.signIns.setOwner(made.identity.id, 'eve', caller),
    runtime.signIns.removeIdentity(made.identity.id, caller),
  ]) {
    expect(await codeOf(call)).toBe('auth.scope');
  }
  await runtime.signIns.leave(caller);
  expect(await codeOf(runtime.signIns.leave(caller))).toBe('sign-in.ended');
  expect(await codeOf(runtime.authenticate(made.token))).toBe('sign-in.ended');
});

test('each call needs its scope, and no other gives it', async () => {
  await using world = await testRuntime();
  const { signIns } = world.runtime;
  const { identity } = await signIns.signIn(HAL);
  const calls: Record<string, { scope: Scope; call: (by: Caller) => Promise<unknown> }> = {
    signIn: { scope: 'send', call: (by) => signIns.signIn(HAL, by) },
    list: { scope: 'operate', call: (by) => signIns.list({}, by) },
    end: { scope: 'operate', call: (by) => signIns.end('x', by) },
    removeIdentity: { scope: 'operate', call: (by) => signIns.removeIdentity('x', by) },
    setOwner: { scope: 'operate', call: (by) => signIns.setOwner(identity.id, null, by) },
    identities: { scope: 'read', call: (by) => signIns.identities({}, by) },
    identity: { scope: 'read', call: (by) => signIns.identity(identity.id, by) },
    find: { scope: 'read', call: (by) => signIns.find(HAL, by) },
  };
  const scopes: Scope[] = ['read', 'send', 'approve', 'operate', 'admin', 'post'];

  for (const [name, { scope, call }] of Object.entries(calls)) {
    const allowed: Scope[] = [];
    for (const one of scopes) {
      const { caller } = await token(world, { scopes: [one] });
      if ((await codeOf(call(caller))) !== 'auth.scope') allowed.push(one);
    }
    expect([name, allowed]).toEqual([name, [scope]]);
  }
});
