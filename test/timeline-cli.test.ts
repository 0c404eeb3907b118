// The timeline at the command line.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PostView } from '../src/client/client.ts';
import { begin, cli, lines, testServer, type TestServer } from './cli-server.ts';

let server: TestServer;
let env: Record<string, string>;
let signIn: (name: string) => Promise<string>;

beforeAll(async () => {
  server = await testServer();
  signIn = async (name) => (await server.serving.runtime.signIns.signIn({ name })).token;
  env = { SOJOURN_SIGN_IN: await signIn('Hal') };
});
afterAll(() => server.close());

test('a post is made by whoever is signed in, and is the last on the timeline', async () => {
  const posted = await cli(server.folder, ['post', 'Docked', 'at', 'port', '4'], { env });
  const shown = await cli(server.folder, ['timeline']);

  expect([posted.code, posted.out]).toEqual([0, '1  Hal\n']);
  expect(shown.out).toMatch(/^ {4}1 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}Hal\n {7}Docked at port 4\n$/);
});

test('a post comes from stdin where no text is given, and the sign-in from the data folder', async () => {
  writeFileSync(join(server.folder, 'sign-in'), `${await signIn('Sal')}\n`, { mode: 0o600 });

  const posted = await cli(server.folder, ['post', '--json'], { stdin: 'from a pipe\n' });

  expect(JSON.parse(posted.out)).toMatchObject({ content: 'from a pipe', author: { name: 'Sal' } });
});

test('without a sign-in nothing is posted, and the way to one is told', async () => {
  const other = await cli(server.folder, [
    'post',
    'x',
    '--data',
    join(server.folder, 'none'),
    '--url',
    server.url,
  ]);
  const wrong = await cli(server.folder, ['post', 'x'], { env: { SOJOURN_SIGN_IN: 'soj_in_wrong' } });

  expect([other.code, wrong.code]).toEqual([5, 5]);
  expect(other.err).toContain('sign-in NAME');
});

test('a post that is none is refused', async () => {
  expect((await cli(server.folder, ['post', 'x'.repeat(281)], { env })).code).toBe(2);
  expect((await cli(server.folder, ['post'], { env, stdin: '  \n' })).code).toBe(2);
});

test('posts are JSON, one a line, oldest first, and as many as are asked for', async () => {
  for (const content of ['a', 'b', 'c']) await cli(server.folder, ['post', content], { env });

  const all = lines<PostView>((await cli(server.folder, ['timeline', '--json'])).out);
  const two = lines<PostView>((await cli(server.folder, ['timeline', '--json', '-n', '2'])).out);
  const hals = await cli(server.folder, ['timeline', '--json', '--identity', all[0]?.author.identity ?? '']);

  expect(all.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
  expect(two.map(({ content }) => content)).toEqual(['b', 'c']);
  expect(new Set(lines<PostView>(hals.out).map(({ author }) => author.name))).toEqual(new Set(['Hal']));
});

test('posts of one identity are chosen by its name, and of several of that name by the one that is shown', async () => {
  const { signIns } = server.serving.runtime;
  for (const context of ['bridge', 'galley']) {
    const { token } = await signIns.signIn({ name: 'Kay', context });
    await cli(server.folder, ['post', `from the ${context}`], { env: { SOJOURN_SIGN_IN: token } });
  }

  const one = await cli(server.folder, ['timeline', '--identity', 'kay - BRIDGE']);
  const hal = lines<PostView>((await cli(server.folder, ['timeline', '--identity', 'hal', '--json'])).out);
  const both = await cli(server.folder, ['timeline', '--identity', 'Kay']);
  const nobody = await cli(server.folder, ['timeline', '--identity', 'Nobody']);

  expect(one.out).toContain('from the bridge');
  expect(one.out).not.toContain('galley');
  expect(new Set(hal.map(({ author }) => author.name))).toEqual(new Set(['Hal']));
  expect([both.code, nobody.code]).toEqual([2, 3]);
  expect(both.err).toContain('"Kay - bridge"');
});

test('posts since a time, or about a session, are shown alone', async () => {
  await cli(server.folder, ['send', 'inbox', '/words 1 0']);
  const about = await cli(server.folder, ['post', 'about the inbox', '--session', 'inbox'], { env });

  const inbox = await cli(server.folder, ['timeline', '--session', 'inbox']);
  const later = await cli(server.folder, ['timeline', '--since', '2999-01-01']);
  const hour = await cli(server.folder, ['timeline', '--since', '1h', '--json', '--session', 'inbox']);

  expect(about.code).toBe(0);
  expect(inbox.out).toContain('about the inbox');
  expect([later.code, later.out, later.err]).toEqual([0, '', 'Nothing has been posted.\n']);
  expect(lines(hour.out)).toHaveLength(1);
  expect((await cli(server.folder, ['timeline', '--since', 'soon'])).code).toBe(2);
  expect((await cli(server.folder, ['timeline', '--session', 'nowhere'])).code).toBe(3);
});

test('posts before a time are shown alone, and following has no end', async () => {
  const { posts } = await server.serving.runtime.timeline.page({ after: 0 });
  const [first] = posts;

  const none = await cli(server.folder, ['timeline', '--json', '--until', first?.at ?? '']);
  const all = await cli(server.folder, ['timeline', '--json', '--until', '2100-01-01T00:00:00Z']);
  const endless = await cli(server.folder, ['timeline', '--follow', '--until', '1h']);

  expect([none.code, none.out]).toEqual([0, '']);
  expect(lines(all.out)).toHaveLength(posts.length);
  expect(endless.code).toBe(2);
});

test('following goes on with the posts that come, until it is interrupted', async () => {
  const following = begin(server.folder, ['timeline', '--follow', '-n', '1', '--json']);
  await following.out.says('about the inbox');

  await cli(server.folder, ['post', 'and another'], { env });
  await following.out.says('and another');
  await server.restart();
  await cli(server.folder, ['post', 'after the restart'], { env });
  await following.out.says('after the restart');
  following.interrupt();

  expect(await following.ended).toBe(130);
  expect(lines<PostView>(following.out.text).map(({ content }) => content)).toEqual([
    'about the inbox',
    'and another',
    'after the restart',
  ]);
});

test('what others posted reaches a terminal as text, never as a command to it', async () => {
  const odd = 'a\u202eb\u2066c\u{e0041}d\ne <img src=x onerror=alert(1)> [x](javascript:alert(1))';
  await cli(server.folder, ['post', odd], { env });

  const { out } = await cli(server.folder, ['timeline', '-n', '1']);

  expect(out).toContain(
    'a\\u{202e}b\\u{2066}c\\u{e0041}d e <img src=x onerror=alert(1)> [x](javascript:alert(1))',
  );
});

test('a session that a message makes posts what it was told to, and one that is there stays as it is', async () => {
  await cli(server.folder, ['send', 'telling', '/words 1 0', '--posts', 'turn,budget']);
  await cli(server.folder, ['send', 'telling', '/words 1 0', '--posts', 'child']);
  const wrong = await cli(server.folder, ['send', 'other', 'x', '--posts', 'turn,everything']);

  const { posts } = await server.serving.runtime.session('telling');
  expect(posts).toEqual(['turn', 'budget']);
  expect(wrong.code).toBe(2);
});
