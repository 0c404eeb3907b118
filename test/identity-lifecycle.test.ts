// Sign-ins as a library: what they leave running, what they print, and what closing means. Where each trap is shown:
//
//   D-13  'a program that signs in, sweeps and fails prints nothing, and ends by itself'
//   D-14  'started twice it sweeps once, and a failing sweep is logged and followed by the next', 'after closing no timer is left, and closing twice is closing once'
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { MINUTE, SignInWorld } from './identity-world.ts';

const PROGRAM = `
import { createSignIns } from 'sojourn/identity';
import { sqliteStore } from 'sojourn/store/sqlite';
const store = await sqliteStore({ folder: process.argv[1] });
const signIns = createSignIns({ store, limits: { signInIdleMsMax: 1, signInSweepMs: 1 } });
signIns.onEnd(() => { throw new Error('a bad listener'); });
const { token, id } = await signIns.signIn({ name: 'Hal' });
const ended = new Promise((resolve) => signIns.watch(id, resolve));
await signIns.signIn({ name: 7 }).catch(() => undefined);
await signIns.signIn({ name: 'x'.repeat(101) }).catch(() => undefined);
await ended;
await signIns.sweep();
await signIns.signOut(token);
await signIns.validate('nobody');
await store.close();
await signIns.validate(token).catch(() => undefined);
await signIns.sweep().catch(() => undefined);
`;

test('a program that signs in, sweeps and fails prints nothing, and ends by itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-program-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));

  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [
      '--conditions=sojourn-source',
      '--no-warnings',
      '--input-type=module',
      '--eval',
      PROGRAM,
      join(folder, 'data'),
    ],
    { cwd: new URL('..', import.meta.url), timeout: 60_000 },
  );

  expect([stdout, stderr]).toEqual(['', '']);
});

test('started twice it sweeps once, and a failing sweep is logged and followed by the next', async () => {
  const world = await SignInWorld.open();
  await world.signIns.signIn({ name: 'Hal' });
  world.signIns.start();
  world.calls.length = 0;
  world.before = (call) => {
    if (call === 'endDue') throw new Error('disk I/O error');
  };

  await world.clock.advance(5 * MINUTE);
  expect(world.calls).toEqual(['endDue']);
  expect(world.logged.map(({ event }) => event)).toContain('sign-in.sweep_failed');
  const held = Promise.withResolvers<void>();
  world.before = () => held.promise;
  await world.clock.advance(5 * MINUTE);
  const swept = world.signIns.sweep();
  held.resolve();
  await swept;

  expect(world.calls).toEqual(['endDue', 'endDue', 'forget']);
});

test('who listens hears of what nobody has asked about since the start, and why it ended', async () => {
  const world = await SignInWorld.open({ signInSweepMs: Infinity });
  const idle = await world.signIns.signIn({ name: 'Hal' });
  await world.stop();
  await world.clock.advance(40 * MINUTE);
  await world.start();
  const heard: unknown[] = [];
  world.signIns.onEnd((ended) => heard.push(ended));

  await world.swept();

  expect(heard).toEqual([{ signIn: idle.id, why: 'idle' }]);
});

test('after closing no timer is left, and closing twice is closing once', async () => {
  const world = await SignInWorld.open();
  const { token, id } = await world.signIns.signIn({ name: 'Hal' });
  const stop = world.signIns.watch(id, () => expect.unreachable());
  await world.kind(token);
  stop();

  await Promise.all([world.signIns.close(), world.signIns.close()]);
  world.signIns.start();

  expect(world.clock.pending).toBe(0);
});

test('a sweep reads what is due, however many are not', async () => {
  const world = await SignInWorld.open();
  await Promise.all(Array.from({ length: 300 }, () => world.signIns.signIn({ name: 'Hal' })));
  await world.clock.advance(4 * MINUTE);
  const ended: string[] = [];
  world.signIns.onEnd(({ signIn }) => ended.push(signIn));
  const { signIns } = await world.signIns.list('default', { limit: 1 });
  await world.signIns.end('default', signIns[0]?.id ?? '');

  world.calls.length = 0;
  await world.swept();

  expect(ended.length).toBe(1);
  expect(world.calls).toEqual(['endDue', 'forget', 'endDue', 'forget']);
});
