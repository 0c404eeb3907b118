// Signing in at a command line, and from a program: against a real server.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect, type IdentityView, type NewSignInView, type SignInView } from '../src/client/client.ts';
import { cli, lines, testServer, type TestServer } from './cli-server.ts';

let server: TestServer;
const sojourn = (...words: string[]) => cli(server.folder, words);
const json = async <Value>(...words: string[]): Promise<Value[]> =>
  lines<Value>((await sojourn(...words, '--json')).out);

beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.close());

const kept = (): string => readFileSync(join(server.folder, 'sign-in'), 'utf8').trim();

describe('a person', () => {
  test('signs in under a name, and the secret is kept where only they can read it', async () => {
    const { code, out, err } = await sojourn('sign-in', 'Hal', '--context', 'bridge');

    expect([code, out]).toEqual([0, 'Hal - bridge\n']);
    expect(err).toMatch(/^Until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, or 30 min without use\.\n$/);
    expect(statSync(join(server.folder, 'sign-in')).mode & 0o777).toBe(0o600);
    expect(out + err).not.toContain(kept());
    expect(await server.serving.runtime.signIns.validate(kept())).toMatchObject({ kind: 'live' });
  });

  test('is the same when they sign in again, and sees who is there', async () => {
    const [first] = await json<Omit<NewSignInView, 'token'>>('sign-in', 'Ada');
    const [again] = await json<Omit<NewSignInView, 'token'>>('sign-in', 'ADA ');
    const identities = await json<IdentityView>('identities');
    const signIns = await json<SignInView>('sign-ins');
    const shown = await sojourn('identities');

    expect(again?.identity.id).toBe(first?.identity.id);
    expect(Object.keys(again ?? {})).not.toContain('token');
    expect(identities.filter(({ name }) => name === 'Ada').length).toBe(1);
    expect(signIns.filter(({ identity }) => identity.name === 'Ada').length).toBe(2);
    expect(shown.out).toMatch(/^ID +NAME +CONTEXT +ACTIVE +OWNER\n/);
    expect(shown.out).toContain('Ada');
    expect((await sojourn('sign-ins')).out).toContain('Ada');
  });

  test('gives an identity to an owner and to everybody, and removes one', async () => {
    const [made] = await json<NewSignInView>('sign-in', 'Uma');
    const id = made?.identity.id ?? '';

    const given = await sojourn('identities', '--give', id, '--owner', 'alice');
    const shown = await sojourn('identities');
    const freed = await json<IdentityView>('identities', '--give', id);
    const both = await sojourn('identities', '--give', id, '--remove', id);
    const removed = await sojourn('identities', '--remove', id);
    const again = await sojourn('identities', '--remove', id);

    expect([given.code, given.out]).toEqual([0, "alice's alone\n"]);
    expect(shown.out).toMatch(/Uma .* alice$/m);
    expect(freed[0]?.owner).toBe(null);
    expect(both.code).toBe(2);
    expect([removed.code, removed.out, again.code]).toEqual([0, 'removed\n', 3]);
    expect((await sojourn('identities')).out).not.toContain('Uma');
  });

  test('signs out, and cannot do so twice', async () => {
    await sojourn('sign-in', 'Eve');
    const token = kept();

    const out = await sojourn('sign-out');
    const again = await sojourn('sign-out');

    expect([out.code, out.out]).toEqual([0, 'signed out\n']);
    expect(existsSync(join(server.folder, 'sign-in'))).toBe(false);
    expect(await server.serving.runtime.signIns.validate(token)).toEqual({ kind: 'signed-out' });
    expect(again.code).toBe(5);
    expect(again.err).toContain('sign-in.unknown');
  });

  test('ends the sign-in of somebody else by its id', async () => {
    const [signIn] = await json<NewSignInView>('sign-in', 'Mallory', '--show');

    const ended = await sojourn('sign-out', signIn?.id ?? '');
    const again = await sojourn('sign-out', signIn?.id ?? '');

    expect([ended.code, ended.out]).toEqual([0, 'ended\n']);
    expect([again.code, again.err.includes('sign-in.not_found')]).toEqual([3, true]);
    expect(await server.serving.runtime.signIns.validate(signIn?.token ?? '')).toEqual({
      kind: 'signed-out',
    });
  });

  test('is shown the secret where there is no folder to keep it in', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'sojourn-elsewhere-'));
    onTestFinished(() => rmSync(elsewhere, { recursive: true }));
    const env = {
      SOJOURN_URL: server.url,
      SOJOURN_TOKEN: readFileSync(join(server.folder, 'token'), 'utf8').trim(),
    };

    const { out, code } = await cli(join(elsewhere, 'none'), ['sign-in', 'Guest'], { env });
    const left = await cli(join(elsewhere, 'none'), ['sign-out'], {
      env: { ...env, SOJOURN_SIGN_IN: out.trim() },
    });

    expect(code).toBe(0);
    expect(out).toMatch(/^soj_in_[0-9A-Za-z]+\n$/);
    expect(left.out).toBe('signed out\n');
    expect(existsSync(join(elsewhere, 'none'))).toBe(false);
  });

  test('cannot be fooled by what others call themselves', async () => {
    await sojourn('sign-in', 'Bad\u200bName \u{1f98a}');
    const refused = await sojourn('sign-in', 'red\u001b[31mname');

    expect([refused.code, refused.err.includes('input.invalid')]).toEqual([2, true]);
    expect((await sojourn('identities')).out).not.toContain('\u001b');
  });
});

describe('a program', () => {
  const client = () =>
    connect({
      url: server.url,
      token: readFileSync(join(server.folder, 'token'), 'utf8').trim(),
      retryMsMax: 0,
    });

  test('signs in, is known by its token, lists who there is, and signs out', async () => {
    const { signIns } = client();

    const signIn = await signIns.signIn({ name: 'Robot', context: 'lab' });
    const known = await signIns.check(signIn.token);
    const page = await signIns.page({ identity: signIn.identity.id });
    const names: string[] = [];
    for await (const { name } of signIns.identities({ limit: 1 })) names.push(name);

    expect(known.id).toBe(signIn.id);
    expect(page.signIns.map(({ id }) => id)).toEqual([signIn.id]);
    expect(names).toContain('Robot');
    expect(new Set(names).size).toBe(names.length);
    expect((await signIns.identity(signIn.identity.id)).displayName).toBe('Robot - lab');
    expect([await signIns.signOut(signIn.token), await signIns.signOut(signIn.token)]).toEqual([true, false]);
    expect(await signIns.signOut('soj_in_nonsense')).toBe(false);
    await expect(signIns.check(signIn.token)).rejects.toMatchObject({ code: 'sign-in.ended' });
  });

  test('gives an identity to an owner, and ends a sign-in', async () => {
    const { signIns } = client();
    const signIn = await signIns.signIn({ name: 'Given' });
    const other = await signIns.signIn({ name: 'Ended' });

    expect((await signIns.giveIdentity(signIn.identity.id, 'alice')).owner).toBe('alice');
    await signIns.end(other.id);

    await expect(signIns.signIn({ name: 'Given' })).rejects.toMatchObject({ code: 'identity.claimed' });
    await expect(signIns.check(other.token)).rejects.toMatchObject({ code: 'sign-in.ended' });
    await expect(signIns.end(other.id)).rejects.toMatchObject({ code: 'sign-in.not_found' });
  });
});

test('a sign-in outlives a restart of the server, and a signed-out one does not come back', async () => {
  const { signIns } = connect({
    url: server.url,
    token: readFileSync(join(server.folder, 'token'), 'utf8').trim(),
    retryMsMax: 0,
  });
  const [alive, dead] = [await signIns.signIn({ name: 'Hal' }), await signIns.signIn({ name: 'Hal' })];
  await signIns.signOut(dead.token);
  await server.restart();

  expect((await signIns.check(alive.token)).id).toBe(alive.id);
  await expect(signIns.check(dead.token)).rejects.toMatchObject({ code: 'sign-in.ended' });
});
