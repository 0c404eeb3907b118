import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Event, Receipt, RequestView, SessionView, TokenView, TreeNode } from '../src/client/client.ts';
import { begin, cli, lines, testServer, type TestServer } from './cli-server.ts';

let server: TestServer;
const sojourn = (...words: string[]) => cli(server.folder, words);
const json = async <Value>(...words: string[]): Promise<Value[]> =>
  lines<Value>((await sojourn(...words, '--json')).out);

beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.close());

describe('send', () => {
  test('shows the reply alone on stdout, and what was done with the message beside it', async () => {
    const { code, out, err } = await sojourn('send', 'plain', 'Hello', 'there');

    expect(out).toBe('You said: Hello there\n');
    expect(err).toBe('started\n');
    expect(code).toBe(0);
  });

  test('gives a program the receipt and then every event of the turn', async () => {
    const [receipt, ...events] = await json<Receipt & Event>('send', 'machine', '/words 3 0');

    expect(receipt).toMatchObject({ disposition: 'started', seq: expect.any(Number) as number });
    expect(events.map((event) => event.kind)).toContain('text.delta');
    expect(events.at(-1)).toMatchObject({ kind: 'turn.ended', body: { outcome: 'completed' } });
  });

  test('takes its text from a pipe', async () => {
    const { out } = await cli(server.folder, ['send', 'piped'], { stdin: 'from a pipe\n' });

    expect(out).toBe('You said: from a pipe\n');
  });

  test('attaches files', async () => {
    const file = join(server.folder, 'note.txt');
    writeFileSync(file, 'abc');

    const { out } = await sojourn('send', 'files', '--file', file, '--file', file, 'see');

    expect(out).toContain('see [file: note.txt] [file: note.txt]');
  });

  test('exits 1 when the turn fails, and says why', async () => {
    const { code, err } = await sojourn('send', 'fails', '/fail no luck');

    expect(code).toBe(1);
    expect(err).toContain('failed');
    expect(err).toContain('no luck');
  });

  test('does not wait when it is told not to', async () => {
    const [receipt] = await json<Receipt>('send', 'nowait', '/words 2 0', '--no-wait');

    expect(receipt?.disposition).toBe('started');
  });

  test('counts once when it is sent twice under one name', async () => {
    const [first] = await json<Receipt>('send', 'once', 'hi', '--once', 'k1', '--no-wait');
    const [second] = await json<Receipt>('send', 'once', 'hi', '--once', 'k1', '--no-wait');
    const other = await sojourn('send', 'once', 'something else', '--once', 'k1');

    expect(second).toMatchObject({ turn: first?.turn, disposition: 'replayed' });
    expect(other.code).toBe(2);
    expect(other.err).toContain('idempotency.conflict');
  });

  test('says why a file cannot be attached', async () => {
    const missing = await sojourn('send', 'files', '--file', join(server.folder, 'nowhere.txt'));
    const folder = await sojourn('send', 'files', '--file', server.folder);

    expect([missing.code, missing.err]).toEqual([
      2,
      expect.stringContaining('nowhere.txt cannot be used (ENOENT): it is not there'),
    ]);
    expect([folder.code, folder.err]).toEqual([
      2,
      expect.stringContaining('(EISDIR): it is a folder, and a file is meant'),
    ]);
  });

  test('says that there is nothing to send', async () => {
    const { code, err } = await sojourn('send', 'silent');

    expect([code, err]).toEqual([2, expect.stringContaining('There is no text to send')]);
    expect((await sojourn('show', 'silent')).code).toBe(3);
  });

  test('leaves the turn running when it is interrupted, and says so', async () => {
    const sending = begin(server.folder, ['send', 'left', '/words 100000 5']);
    await sending.err.says('started');
    sending.interrupt();

    expect(await sending.ended).toBe(130);
    expect(sending.err.text).toContain('The turn goes on');
    const [session] = await json<{ session: SessionView }>('show', 'left');
    expect(session?.session.state).toBe('running');
    expect((await sojourn('cancel', 'left')).out).toBe('1 cancelled\n');
  });

  test('gives commands to paste for a key that a shell would take apart', async () => {
    const sending = begin(server.folder, ['send', "Ann's desk", '/words 100000 5']);
    await sending.err.says('started');
    sending.interrupt();

    expect(await sending.ended).toBe(130);
    expect(sending.err.text).toContain(String.raw`cancel 'Ann'\''s desk'`);
    expect((await sojourn('cancel', "Ann's desk")).code).toBe(0);
  });
});

test('each of the six policies says what it did with a message that met a running turn', async () => {
  const dispositions: Record<string, string> = {};
  for (const policy of ['queue', 'collect', 'interrupt', 'rollback', 'steer']) {
    const key = `busy-${policy}`;
    const first = begin(server.folder, ['send', key, '/words 100000 5', '--json']);
    await first.out.says('text.delta');
    const { out } = await sojourn('send', key, 'second', '--policy', policy, '--no-wait');
    dispositions[policy] = out.trim().replace(/turn .*/, 'turn T');
    await sojourn('cancel', key);
    await first.ended;
  }
  await sojourn('send', 'busy-reject', '/words 100000 5', '--no-wait');
  const rejected = await sojourn('send', 'busy-reject', 'second', '--policy', 'reject', '--no-wait');
  await sojourn('cancel', 'busy-reject');

  expect(dispositions).toEqual({
    queue: 'queued, position 1',
    collect: 'queued, position 1',
    interrupt: 'queued, position 1, stops turn T',
    rollback: 'queued, position 1, stops turn T',
    steer: 'steered',
  });
  expect(rejected.code).toBe(4);
  expect(rejected.err).toContain('session.busy');
});

describe('looking', () => {
  test('ls lists sessions, newest activity first', async () => {
    await sojourn('send', 'list-a', 'x');
    await sojourn('send', 'list-b', 'x');

    const sessions = await json<SessionView>('ls', '--q', 'list-');
    const { out } = await sojourn('ls', '--q', 'list-');

    expect(sessions.map((session) => session.key)).toEqual(['list-b', 'list-a']);
    expect(out).toMatch(/^KEY +STATE +AGENT +LAST ACTIVE \(UTC\) +TITLE\nlist-b +idle +scripted/);
  });

  test('ls says it in words when there is none', async () => {
    const { out, err, code } = await sojourn('ls', '--label', 'nobody-has-this');

    expect({ out, err, code }).toEqual({ out: '', err: 'There is no such session.\n', code: 0 });
  });

  test('ls goes through all pages when asked for all', async () => {
    for (let count = 0; count < 5; count += 1) await sojourn('send', `page-${count}`, 'x', '--no-wait');

    const sessions = await json<SessionView>('ls', '--q', 'page-', '--limit', '2', '--all');

    expect(sessions).toHaveLength(5);
  });

  test('show tells what a session is and what was said', async () => {
    await sojourn('send', 'shown', 'Hello');

    const { out } = await sojourn('show', 'shown');
    const [value] = await json<{ session: SessionView; messages: unknown[] }>('show', 'shown');

    expect(out).toContain('key     shown');
    expect(out).toContain('You said: Hello');
    expect(value?.session.key).toBe('shown');
    expect(value?.messages).toHaveLength(2);
  });

  test('tail shows the log to its end, or until nothing runs', async () => {
    await sojourn('send', 'tailed', '/words 3 0');

    const events = await json<Event>('tail', 'tailed', '--no-follow');
    const idle = await json<Event>('tail', 'tailed', '--until-idle', '--after', '2');
    const { out } = await sojourn('tail', 'tailed', '--no-follow');

    expect(events.map((event) => event.seq)).toEqual(events.map((_event, index) => index + 1));
    expect(idle).toEqual(events.slice(2));
    expect(out).toMatch(/turn\.accepted +\[started\] \/words 3 0/);
  });

  test('tree shows a session with its children', async () => {
    await sojourn('send', 'parent', '/spawn scripted Hello');

    const [tree] = await json<TreeNode>('tree', 'parent');
    const { out } = await sojourn('tree', 'parent');

    expect(tree?.children).toHaveLength(1);
    expect(out.split('\n')[2]).toMatch(/^└─ /);
  });

  test('agents and stats', async () => {
    const [agent] = await json<{ name: string; default: boolean }>('agents');
    const [stats] = await json<{ store: { commits: number } }>('stats');

    expect(agent).toMatchObject({ name: 'scripted', default: true });
    expect(stats?.store.commits).toBeGreaterThan(0);
    expect((await sojourn('agents')).out).toContain('rerun safe');
    const { out } = await sojourn('stats');
    expect(out).toContain('store.commits');
    expect(out).not.toMatch(/\.\d{4}/);
  });
});

describe('changing', () => {
  test('cancel stops one turn, and says when it was over already', async () => {
    const [receipt] = await json<Receipt>('send', 'cancel-one', '/words 100000 5', '--no-wait');
    const turn = receipt?.turn ?? '';

    expect((await sojourn('cancel', 'cancel-one', turn)).out).toBe('cancelled\n');
    expect((await sojourn('cancel', 'cancel-one', turn)).out).toBe('it was over: cancelled\n');
  });

  test('close is final, and erase frees the key', async () => {
    await sojourn('send', 'closing', 'x');

    expect((await sojourn('close', 'closing')).out).toBe('closed\n');
    const refused = await sojourn('send', 'closing', 'y');
    expect(refused.code).toBe(4);
    expect(refused.err).toContain('session.closed');
    expect((await sojourn('close', 'closing', '--erase')).out).toBe('erased\n');
    expect((await sojourn('show', 'closing')).code).toBe(3);
  });

  test('evict puts a session away, and the next message wakes it', async () => {
    await sojourn('send', 'evicted', 'one');

    expect((await sojourn('evict', 'evicted')).out).toBe('put away\n');
    expect((await sojourn('evict', 'evicted')).out).toBe('it was not live\n');
    expect((await sojourn('send', 'evicted', '/count')).out).toBe('2\n');
  });

  test('fork takes the history along', async () => {
    await sojourn('send', 'original', 'one');

    expect((await sojourn('fork', 'original', 'copy')).code).toBe(0);
    expect((await sojourn('send', 'copy', '/count')).out).toBe('2\n');
    expect((await sojourn('fork', 'original', 'copy')).code).toBe(4);
  });

  test('an export can be taken back', async () => {
    await sojourn('send', 'moved', 'one');
    const file = join(server.folder, 'moved.jsonl');

    const piped = await sojourn('export', 'moved');
    const written = await sojourn('export', 'moved', '--output', file);

    expect(written.code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(piped.out);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await sojourn('import', 'moved-in', file)).code).toBe(0);
    expect((await cli(server.folder, ['import', 'moved-too'], { stdin: piped.out })).code).toBe(0);
    expect((await sojourn('send', 'moved-in', '/count')).out).toBe('2\n');
    const again = await sojourn('export', 'moved-in', '-o', file);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')]);
    const missing = await sojourn('import', 'moved-not', `${file}.not`);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('(ENOENT): it is not there')]);
    expect((await sojourn('send', 'moved-too', '/count')).out).toBe('2\n');
  });

  test('dirty marks live sessions', async () => {
    await sojourn('send', 'to-remake', 'one');

    expect((await sojourn('dirty', '--key', 'to-remake')).out).toBe('1 marked\n');
    expect(await json<{ marked: number }>('dirty', '--key', 'nobody')).toEqual([{ marked: 0 }]);
  });

  test('a question is listed, and answered by the beginning of its id', async () => {
    const sending = begin(server.folder, ['send', 'asking', '/ask Which colour?']);
    await sending.err.says('waits for a person');

    const [request] = await json<RequestView>('requests');
    const unsaid = await sojourn('approve', request?.id ?? '');
    expect([unsaid.code, unsaid.err]).toEqual([2, expect.stringContaining('--answer or --deny is needed')]);
    const { out } = await sojourn('approve', request?.id.slice(0, 30) ?? '', '--answer', 'blue');

    expect(request).toMatchObject({ key: 'asking', text: 'Which colour?' });
    expect(out).toBe('Which colour?\n  answered: blue\n');
    expect(await sending.ended).toBe(0);
    expect(sending.out.text).toContain('blue');
    expect((await sojourn('approve')).code).toBe(3);
  });

  test('a token is made, used and revoked', async () => {
    const made = await sojourn('token', 'add', 'reader', '--scope', 'read');
    const secret = made.out.trim();
    const env = { SOJOURN_TOKEN: secret };
    const [token] = (await json<TokenView>('token', 'ls')).filter(({ name }) => name === 'reader');

    expect(secret).toMatch(/^soj_/);
    expect((await cli(server.folder, ['ls'], { env })).code).toBe(0);
    expect((await cli(server.folder, ['send', 'x', 'y'], { env })).code).toBe(5);
    expect((await sojourn('token', 'rm', token?.id ?? '')).code).toBe(0);
    expect((await cli(server.folder, ['ls'], { env })).code).toBe(5);
  });
});

test('a backup taken while the server runs can be started from', async () => {
  await sojourn('send', 'kept', 'Hello');
  const copy = join(server.folder, '../copy');

  const { code, out } = await sojourn('backup', copy);
  const again = await sojourn('backup', copy);
  const restored = await testServer({ folder: copy });
  const { out: count } = await cli(copy, ['send', 'kept', '/count']);
  await restored.close();

  expect(code).toBe(0);
  expect(out).toMatch(/^[1-9][\d.]* KiB copied to/);
  expect(count).toBe('2\n');
  expect(again.code).toBe(1);
});

describe('what goes wrong', () => {
  test('has the code and the way out on stderr, and nothing on stdout', async () => {
    const { code, out, err } = await sojourn('show', 'nobody');

    expect(code).toBe(3);
    expect(out).toBe('');
    expect(err).toMatch(/^session\.not_found: .*\n  `npm run sojourn -- ls` lists/);
  });

  test('a turn that is not there is said with the command that tells which are', async () => {
    await sojourn('send', 'turns', 'Hello');

    const { code, err } = await sojourn('cancel', 'turns', 'nope');

    expect([code, err]).toEqual([3, expect.stringContaining('run sojourn -- tail KEY --no-follow --json')]);
  });

  test('is JSON for a program', async () => {
    const { err } = await sojourn('show', 'nobody', '--json');

    expect(JSON.parse(err)).toMatchObject({
      error: {
        code: 'session.not_found',
        next: 'stop',
        fix: expect.stringContaining('Check the key') as string,
      },
    });
  });

  test.each([
    [['nonsense'], 2],
    [['send'], 2],
    [['ls', '--state', 'sleeping'], 2],
    [['ls', '--limit', 'many'], 2],
    [['ls', '--nope'], 2],
    [['show', '..'], 2],
    [['--help'], 0],
    [['send', '--help'], 0],
    [['--version'], 0],
  ])('sojourn %j exits %i', async (words, code) => {
    expect((await sojourn(...words)).code).toBe(code);
  });

  test('a wrong token is exit 5', async () => {
    const { code, err } = await cli(server.folder, ['ls'], { env: { SOJOURN_TOKEN: 'soj_wrong' } });

    expect(code).toBe(5);
    expect(err).toContain('auth.required');
  });

  test('a server that is not there is exit 4, and is said soon', async () => {
    const { code, err } = await cli(server.folder, ['ls'], { env: { SOJOURN_URL: 'http://127.0.0.1:1' } });

    expect(code).toBe(4);
    expect(err).toContain('server.unreachable');
  });
});
