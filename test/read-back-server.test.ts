// Reading back as people, programs and agents do it: over HTTP, at the command line, through MCP, and by a tool in a turn.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect, type Event } from '../src/client/client.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { ReadBack, ReadBackCall } from '../src/wire/context.ts';
import { readBackView } from '../src/wire/context-schema.ts';
import { cli, testServer, type TestServer } from './cli-server.ts';
import { call, serve } from './mcp-support.ts';

let server: TestServer;
let client: Client;
let token: string;

beforeAll(async () => {
  server = await testServer();
  token = readFileSync(join(server.folder, 'token'), 'utf8').trim();
  client = connect({ url: server.url, token });
});
afterAll(() => server.close());

const numbered = (bytes: number): string =>
  Array.from({ length: bytes / 6 }, (_, index) => `line ${index + 1}\n`)
    .join('')
    .slice(0, bytes);

async function get(
  path: string,
  bearer = token,
): Promise<{ status: number; body: ReadBack & { code?: string } }> {
  const response = await fetch(`${server.url}/v1/sessions/${path}`, {
    headers: { Authorization: `Bearer ${bearer}` },
  });
  return { status: response.status, body: (await response.json()) as ReadBack };
}

async function eventsOf(key: string): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of client.session(key).history()) events.push(event);
  return events;
}

/** A session that has called a tool which gave so many bytes of numbered lines. */
async function withFile(key: string, bytes = 60_000): Promise<{ artifact: string; seq: number }> {
  await client.session(key).sendAndWait(`/big ${bytes}`);
  const returned = (await eventsOf(key)).find((event) => event.kind === 'tool.returned');
  if (returned?.kind !== 'tool.returned') throw new Error('no tool returned');
  return { artifact: `artifact:${returned.body.artifact}`, seq: returned.seq };
}

describe('over HTTP', () => {
  test('a reference is read from its start, by lines, at its end, by bytes and by what stands in it', async () => {
    const { artifact, seq } = await withFile('ways');
    const read = async (query: string): Promise<string> => (await get(`ways/read-back?${query}`)).body.text;

    expect((await read(`ref=${artifact}`)).startsWith('line 1\nline 2\n')).toBe(true);
    expect(await read(`ref=log:${seq}&fromLine=2&toLine=3`)).toBe('line 2\nline 3\n');
    expect(await read(`ref=${artifact}&head=1`)).toBe('line 1\n');
    expect(await read(`ref=${artifact}&tail=1`)).toBe(
      numbered(60_000).slice(numbered(60_000).lastIndexOf('\n') + 1),
    );
    expect(await read(`ref=${artifact}&fromByte=5&toByte=12`)).toBe('1\nline ');
    expect(
      await read(`ref=${artifact}&search=${encodeURIComponent('^LINE 123\\d$')}&ignoreCase=true&around=0`),
    ).toBe(Array.from({ length: 10 }, (_, digit) => `123${digit}: line 123${digit}\n`).join(''));
    expect((await read(`search=${encodeURIComponent('line 77$')}`)).split('\n')).toEqual([
      artifact,
      '77: line 77',
      '',
    ]);
  });

  test('an answer has the shape that is published, and says how to go on', async () => {
    const { artifact } = await withFile('shape');

    const { status, body } = await get(`shape/read-back?ref=${artifact}`);

    expect(status).toBe(200);
    expect(readBackView.parse(body)).toEqual(body);
    expect(body).toMatchObject({
      ref: artifact,
      bytes: 60_000,
      next: { ref: artifact, bytes: { from: body.range?.to } },
    });
  });

  test.each([
    ['ref=nothing', 400, 'read-back.invalid'],
    ['', 400, 'read-back.invalid'],
    ['ref=log:1&head=1&tail=1', 400, 'read-back.invalid'],
    ['ref=log:1&search=(', 400, 'read-back.invalid'],
    ['ref=log:1&head=-1', 400, 'input.invalid'],
    ['ref=log:1&ignoreCase=perhaps', 400, 'input.invalid'],
    [`ref=artifact:${'0'.repeat(64)}`, 404, 'artifact.not_found'],
  ])('%s is answered with %i and what is wrong', async (query, status, code) => {
    await client.session('wrong').sendAndWait('hello');

    const answer = await get(`wrong/read-back?${query}`);

    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  test("another session's file is not there, and a session that does not exist is not made", async () => {
    const { artifact } = await withFile('mine');
    await client.session('yours').sendAndWait('hello');

    expect((await get(`yours/read-back?ref=${artifact}`)).body.code).toBe('artifact.not_found');
    expect((await get('nobody/read-back?ref=log:1')).body.code).toBe('session.not_found');
    expect((await get('nobody/read-back?ref=log:1')).status).toBe(404);
    expect((await get('mine/read-back?ref=log:1', 'soj_wrong')).status).toBe(401);
  });

  test('a stranger of another project finds neither the session nor its file', async () => {
    const { artifact } = await withFile('theirs');
    await client.addProject('elsewhere');
    const there = connect({ url: server.url, token, project: 'elsewhere' });
    await there.session('theirs').sendAndWait('hello');

    const reading = there.session('theirs').readBack({ ref: artifact });

    await expect(reading).rejects.toSatisfy((error) => SojournError.is(error, 'artifact.not_found'));
  });
});

test('a program that goes from next to next has the whole, byte for byte', async () => {
  const { seq } = await withFile('walk', 300_000);
  const hash = createHash('sha256');

  for (let call: ReadBackCall | undefined = { ref: `log:${seq}` }; call !== undefined;) {
    const { text, next }: ReadBack = await client.session('walk').readBack(call);
    hash.update(text);
    call = next;
  }

  expect(hash.digest('hex')).toBe(createHash('sha256').update(numbered(300_000)).digest('hex'));
});

describe('at the command line', () => {
  test('a page is shown with a remark that there is more, and --all gives the whole', async () => {
    const { artifact } = await withFile('shell');

    const page = await cli(server.folder, ['read', 'shell', artifact]);
    const whole = await cli(server.folder, ['read', 'shell', artifact, '--all']);

    expect(page.out.startsWith('line 1\n')).toBe(true);
    expect(page.err).toMatch(/^Bytes 0 to \d+ of 60000\. There is more: --all goes on to the end\.\n$/);
    expect(whole).toMatchObject({ code: 0, out: numbered(60_000), err: '' });
  });

  test('lines, head, tail, bytes, a search and a path are asked for by their options', async () => {
    const { artifact, seq } = await withFile('options');
    await client.session('options').sendAndWait('/tool look {"at":["the sea","a ship"]}');
    const call = (await eventsOf('options')).findLast((event) => event.kind === 'tool.returned')?.seq;
    const out = async (...words: string[]): Promise<string> =>
      (await cli(server.folder, ['read', 'options', ...words])).out;

    expect(await out(`log:${seq}`, '--lines', '3-4')).toBe('line 3\nline 4\n');
    expect(await out(`log:${seq}`, '--lines', '3')).toBe('line 3\n');
    expect(await out(artifact, '--head', '1')).toBe('line 1\n');
    expect(await out(artifact, '--bytes', '0-4')).toBe('line');
    expect(await out(artifact, '--search', '^line 9$', '--around', '1')).toBe(
      '8- line 8\n9: line 9\n10- line 10\n',
    );
    expect(await out(`log:${call}`, '--path', '$.at[1]')).toBe('"a ship"\n');
    expect(await out('--search', 'LINE 78$', '--ignore-case')).toBe(`${artifact}\n78: line 78\n`);
  });

  test('with --json it is the answer itself, and what is wrong ends with a code', async () => {
    const { artifact } = await withFile('json');

    const page = await cli(server.folder, ['read', 'json', artifact, '--head', '1', '--json']);
    const wrong = await cli(server.folder, ['read', 'json', 'log:9999', '--json']);
    const range = await cli(server.folder, ['read', 'json', artifact, '--lines', '9-3']);

    expect(JSON.parse(page.out)).toMatchObject({ ref: artifact, text: 'line 1\n' });
    expect(JSON.parse(wrong.err)).toMatchObject({ error: { code: 'read-back.invalid' } });
    expect(range.err).toContain('It must be a range such as 1-20');
    expect([page.code, wrong.code === 0, range.code === 0]).toEqual([0, false, false]);
  });
});

test('through MCP, a page says with which arguments to go on', async () => {
  const served = await serve();
  const mcp = await served.client('modern');
  await call(mcp, 'send_message', { session: 'tools', message: '/big 20000' });
  const { value: found } = await call(mcp, 'read_back', { session: 'tools', search: 'line 1234$' });
  const [artifact = ''] = String(found.text).split('\n');

  let text = '';
  for (
    let input: Record<string, unknown> | undefined = { session: 'tools', ref: artifact };
    input !== undefined;
  ) {
    const { value, failed } = await call(mcp, 'read_back', input);
    expect(failed).toBe(false);
    text += String(value.text);
    input = value.next as Record<string, unknown> | undefined;
  }
  const wrong = await call(mcp, 'read_back', { session: 'tools', ref: 'log:1', head: 1, tail: 1 });

  expect(text).toBe(numbered(20_000));
  expect(wrong).toMatchObject({ failed: true, value: { error: { code: 'read-back.invalid' } } });
});

describe('an agent', () => {
  test('reads back what its reference names, with a call that everybody sees', async () => {
    const { artifact, seq } = await withFile('agent');
    const session = client.session('agent');

    const lines = await session.sendAndWait(`/read ${artifact} 5000-5001`);
    const one = await session.sendAndWait(`/read log:${seq} 7`);
    const wrong = await session.sendAndWait('/read log:99999');

    expect(lines.text).toBe('line 5000\nline 5001\n');
    expect(one.text).toBe('line 7\n');
    expect(wrong.text).toMatch(/^read-back\.invalid: /);
    const calls = (await eventsOf('agent')).filter((event) => event.turn === lines.id);
    expect(calls.find((event) => event.kind === 'tool.called')?.body).toMatchObject({
      name: 'read_back',
      input: { ref: artifact, from_line: 5000, to_line: 5001 },
    });
    expect(calls.find((event) => event.kind === 'tool.returned')?.body).toMatchObject({
      output: 'line 5000\nline 5001\n',
      isError: false,
    });
  });

  test('finds in a file of an earlier life what it needs, after a restart', async () => {
    const { artifact } = await withFile('earlier', 100_000);
    await client.session('earlier').sendAndWait('/tool note {"the key":"lies under the mat"}');
    await server.restart();

    const found = await client.session('earlier').sendAndWait('/find ^line 7654$');
    const page = await client.session('earlier').sendAndWait(`/read ${artifact}`);

    expect(found.text).toBe(`${artifact}\n7654: line 7654\n`);
    expect(page.text).toMatch(/^line 1\nline 2\n/);
  });

  test('what it reads is never moved out again, however large the page', async () => {
    const { artifact } = await withFile('again', 100_000);

    await client.session('again').sendAndWait(`/read ${artifact}`);

    const moved = (await eventsOf('again')).filter((event) => event.kind === 'context.offloaded');
    expect(moved.map(({ body }) => body)).toMatchObject([{ ref: artifact }]);
  });
});
