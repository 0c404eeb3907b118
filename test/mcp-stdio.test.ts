// `sojourn mcp`: the protocol on two pipes, in front of the server of a data folder.
//
//   D-13  'nothing but the protocol is on stdout, whatever a config prints'
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { onTestFinished, describe, expect, test } from 'vitest';
import { call, MODERN, modern, type Era, type Loose } from './mcp-support.ts';
import { ContractServer } from './contract-server.ts';

const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-mcp-stdio-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const environment = (folder: string): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
  SOJOURN_SCRIPTED_MS: '0',
  SOJOURN_DATA: folder,
});

async function client(era: Era, folder: string): Promise<Client> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'mcp'],
    env: environment(folder),
    cwd: tmpdir(),
    stderr: 'ignore',
  });
  const mode = era === 'modern' ? { pin: MODERN } : 'legacy';
  const made = new Client({ name: 'test', version: '1' }, { capabilities: {}, versionNegotiation: { mode } });
  onTestFinished(() => made.close());
  await made.connect(transport);
  return made;
}

/** All that the command writes on both pipes when these lines are all it hears. */
async function spoken(
  folder: string,
  lines: readonly string[],
): Promise<{ out: string[]; code: number | null }> {
  const child = spawn(process.execPath, [MAIN, 'mcp'], {
    env: environment(folder),
    cwd: folder,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (piece) => (text += String(piece)));
  child.stdin.end(lines.map((line) => `${line}\n`).join(''));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { out: text.split('\n').filter((line) => line !== ''), code };
}

describe.each<Era>(['modern', 'legacy'])('a client of the %s era', (era) => {
  test('talks to the server that runs on the folder', async () => {
    const server = await ContractServer.start();
    onTestFinished(() => server.close());

    const answered = await call(await client(era, server.folder), 'send_message', {
      session: 'pipe',
      message: 'hello',
    });

    const seen = await server.call('GET', '/v1/sessions/pipe');
    expect(answered.value).toMatchObject({ state: 'done', text: 'You said: hello' });
    expect(seen.body).toMatchObject({ key: 'pipe', channel: 'mcp' });
  });

  test('sees how a turn gets on, always growing, and stops it by taking the call back', async () => {
    const server = await ContractServer.start();
    onTestFinished(() => server.close());
    const steps: number[] = [];
    const given = new AbortController();

    const taken = (await client(era, server.folder)).callTool(
      { name: 'send_message', arguments: { session: 'pipe', message: '/words 1000 150' } },
      {
        signal: given.signal,
        onprogress: ({ progress }) => {
          steps.push(progress);
          if (steps.length === 3) given.abort();
        },
      },
    );

    await expect(taken).rejects.toThrow(/abort/i);
    const ended = await server.until('pipe', ({ kind }) => kind === 'turn.ended');
    expect(ended.body).toMatchObject({ outcome: 'cancelled' });
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(new Set(steps).size).toBe(3);
  });

  test('that takes back only the waiting leaves the turn to whoever began it', async () => {
    const server = await ContractServer.start();
    onTestFinished(() => server.close());
    const waits = await client(era, server.folder);
    const { value } = await call(waits, 'send_message', {
      session: 'pipe',
      message: '/words 40 5',
      wait_seconds: 0,
    });
    const given = new AbortController();

    const waiting = waits.callTool(
      { name: 'wait_for_turn', arguments: { session: 'pipe', turn: value.turn } },
      { signal: given.signal, onprogress: () => given.abort() },
    );

    await expect(waiting).rejects.toThrow(/abort/i);
    expect((await server.until('pipe', ({ kind }) => kind === 'turn.ended')).body).toMatchObject({
      outcome: 'completed',
    });
  });
});

test('where no server runs, one is started, and goes when the client goes', async () => {
  const folder = newFolder();

  const first = await spoken(folder, [said('x', 'hello')]);
  const second = await spoken(folder, [said('x', '/count')]);

  expect([first.code, second.code]).toEqual([0, 0]);
  expect(structured(first.out)).toMatchObject({ text: 'You said: hello' });
  expect(structured(second.out)).toMatchObject({ text: '2' });
  expect(() => readFileSync(join(folder, 'address'))).toThrow('ENOENT');
});

function said(session: string, message: string): string {
  const { body } = modern('tools/call', { name: 'send_message', arguments: { session, message } });
  return JSON.stringify(body);
}

const structured = (lines: readonly string[]): Loose =>
  (JSON.parse(lines.at(-1) ?? '{}') as Loose).result?.structuredContent;

test('several that start at once share one server, and all are answered', async () => {
  const folder = newFolder();

  const all = await Promise.all(['a', 'b', 'c'].map((key) => spoken(folder, [said(key, 'hello')])));

  expect(all.map(({ out }) => structured(out)?.text)).toEqual(Array(3).fill('You said: hello'));
});

test('a server that is started again is found again, and the client notices nothing', async () => {
  const server = await ContractServer.start();
  onTestFinished(() => server.close());
  const patient = await client('legacy', server.folder);
  await call(patient, 'send_message', { session: 'a', message: 'hello' });

  await server.restart();
  const answered = await call(patient, 'send_message', { session: 'a', message: '/count' });

  expect(answered.value).toMatchObject({ text: '2' });
});

test.each<Era>(['modern', 'legacy'])(
  'a call that was under way when the server went is answered with that, in the %s era, and the next one finds the server',
  async (era) => {
    const server = await ContractServer.start();
    onTestFinished(() => server.close());
    const caller = await client(era, server.folder);
    const begun = Promise.withResolvers<void>();

    const long = { session: 'a', message: '/words 1000 1000' };
    const under = caller.callTool(
      { name: 'send_message', arguments: long },
      { onprogress: () => begun.resolve() },
    );
    await begun.promise;
    await Promise.all([server.restart(), expect(under).rejects.toThrow('server.unreachable')]);

    expect((await call(caller, 'list_agents')).failed).toBe(false);
  },
);

test('what is no message is refused in the words of the protocol, and the next line is read', async () => {
  const { out } = await spoken(newFolder(), [
    'hello?',
    '[]',
    '{"jsonrpc":"1.0","id":7,"method":"ping"}',
    'x'.repeat(5_000_000),
    said('x', 'hello'),
  ]);

  const answers = out.map((line) => JSON.parse(line) as Loose);
  expect(answers.map(({ error }) => error?.code)).toEqual([-32_700, -32_600, -32_600, -32_600, undefined]);
  expect(answers.map(({ id }) => id)).toEqual([null, null, 7, null, 1]);
});

test('nothing but the protocol is on stdout, whatever a config prints', async () => {
  const folder = newFolder();
  writeFileSync(
    join(folder, 'sojourn.config.ts'),
    `import { defineAgent, defineConfig } from 'sojourn';
console.log('loaded');
process.stdout.write('and written');
export default defineConfig({ agents: { noisy: defineAgent(async function* () { console.log('running'); yield 'quiet'; }) } });`,
  );

  const { out } = await spoken(folder, [said('x', 'hello')]);

  expect(out).toHaveLength(1);
  expect(structured(out)).toMatchObject({ text: 'quiet' });
});

test('a token that is not good is said so, in an answer to the call', async () => {
  const server = await ContractServer.start();
  onTestFinished(() => server.close());
  writeFileSync(join(server.folder, 'token'), 'soj_wrong\n');

  const { out } = await spoken(server.folder, [said('x', 'hello')]);

  expect((JSON.parse(out[0] ?? '{}') as Loose).error.message).toContain('auth.required');
});

test('a client in a hurry ends it with a signal, also while something is under way', async () => {
  const folder = newFolder();
  const child = spawn(process.execPath, [MAIN, 'mcp'], {
    env: environment(folder),
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const gone = new Promise<number | null>((resolve) => child.once('close', resolve));
  const { body } = modern('tools/call', {
    name: 'send_message',
    arguments: { session: 'x', message: '/words 1000 1000' },
    _meta: { progressToken: 'p' },
  });
  child.stdin.write(`${JSON.stringify(body)}\n`);
  await new Promise((resolve) => child.stdout.once('data', resolve)); // It has begun.

  child.kill('SIGTERM');

  expect(await gone).toBe(0);
});
