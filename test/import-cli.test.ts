// The command line and the HTTP face: a session as a file, and a file as a session.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../src/client/client.ts';
import type { ImportedSession } from '../src/wire/calls.ts';
import { cli, lines, testServer, type TestServer } from './cli-server.ts';

const sample = (name: string): string => fileURLToPath(new URL(`data/${name}`, import.meta.url));

let here: TestServer;
let there: TestServer;
const sojourn = (server: TestServer, ...words: string[]) => cli(server.folder, words);

beforeAll(async () => {
  here = await testServer();
  there = await testServer();
});
afterAll(() => Promise.all([here.close(), there.close()]));

describe('export and import', () => {
  test('carry a session from one server to another as a file, byte for byte', async () => {
    await sojourn(here, 'send', 'carried', '/big 30000');
    const file = join(here.folder, 'carried.jsonl');

    const out = await sojourn(here, 'export', 'carried', '-o', file);
    const back = await sojourn(there, 'import', 'carried here', file);
    const again = await sojourn(there, 'export', 'carried here');

    expect([out.code, back.code]).toEqual([0, 0]);
    expect(out.err).toContain(`Written to ${file}`);
    expect(back.out).toMatch(
      /^carried here is a session of scripted now, from sojourn: 1 turn, 1 call, \d+ events, .* in 1 artifact\n$/,
    );
    expect(again.out).toBe(readFileSync(file, 'utf8'));
  });

  test('write over nothing, and leave no half of a file', async () => {
    await sojourn(here, 'send', 'once', 'hello');
    const file = join(here.folder, 'once.jsonl');
    writeFileSync(file, 'mine');

    const over = await sojourn(here, 'export', 'once', '-o', file);
    const nobody = await sojourn(here, 'export', 'nobody', '-o', join(here.folder, 'nobody.jsonl'));
    const missing = await sojourn(here, 'import', 'x', join(here.folder, 'missing.jsonl'));

    expect([over.code, readFileSync(file, 'utf8')]).toEqual([2, 'mine']);
    expect(nobody.code).toBe(3);
    expect(existsSync(join(here.folder, 'nobody.jsonl'))).toBe(false);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('missing.jsonl')]);
  });

  test('name a folder as what it is', async () => {
    const { code, err } = await sojourn(here, 'import', 'x', here.folder);

    expect([code, err]).toEqual([2, expect.stringContaining(`${here.folder} is a folder`)]);
  });

  test('of a session whose file is damaged say that the export is not whole, and leave nothing', async () => {
    await sojourn(here, 'send', 'damaged', '/big 900001');
    const stored = readdirSync(join(here.folder, 'artifacts'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    const one = stored.find((path) => statSync(path).size === 900_001) ?? '';
    writeFileSync(one, 'y'.repeat(900_001));
    const file = join(here.folder, 'damaged.jsonl');

    const into = await sojourn(here, 'export', 'damaged', '-o', file);
    const out = await sojourn(here, 'export', 'damaged');

    for (const { code, err } of [into, out]) {
      expect(err).toContain('server.unreachable');
      expect(err).toContain('The export is not whole');
      expect(code).not.toBe(0);
    }
    expect(existsSync(file)).toBe(false);
  });

  test('say what of another agent’s log is no part of the conversation, and what could not be understood', async () => {
    const { code, out, err } = await sojourn(here, 'import', 'from claude', sample('logs/claude-code.jsonl'));

    expect(code).toBe(0);
    expect(out).toMatch(
      /^from claude is a session of scripted now, from claude-code: 3 turns, 3 calls, \d+ events\n$/,
    );
    expect(err).toContain(
      'No part of the conversation: 1 summary, 1 file-history-snapshot, 1 meta, 2 sidechain',
    );
    expect(err).toContain('2 places could not be understood:\n  line 23: ');
    expect((await sojourn(here, 'send', 'from claude', '/recall 1')).out).toContain('hello.txt');
  });

  test('give a program the session and what became of the file', async () => {
    const file = sample('trajectories/ctf__rev__rock.traj');

    const { out } = await sojourn(
      here,
      'import',
      'rock',
      file,
      '--turn-per-step',
      '--format',
      'swe-agent',
      '--json',
    );

    const [session] = lines<ImportedSession>(out);
    expect(session).toMatchObject({ key: 'rock', imported: { format: 'swe-agent', turns: 12, calls: 12 } });
  });

  test('take a file from a pipe, and refuse what they do not know', async () => {
    const piped = await cli(here.folder, ['import', 'piped', '-'], {
      stdin: readFileSync(sample('logs/openai.json'), 'utf8'),
    });
    const unknown = await cli(here.folder, ['import', 'unknown', '-'], { stdin: 'hello' });
    const again = await sojourn(here, 'import', 'piped', sample('logs/openai.json'));

    expect([piped.code, piped.out]).toEqual([0, expect.stringContaining('from openai: 2 turns')]);
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('It is not JSON')]);
    expect([again.code, again.err]).toEqual([4, expect.stringContaining('session.exists')]);
  });
});

describe('over HTTP', () => {
  test('an import is told what to do in its address, and answers what became of it', async () => {
    const token = readFileSync(join(here.folder, 'token'), 'utf8').trim();
    const post = async (
      query: string,
      body: string,
    ): Promise<{ status: number; json: Record<string, unknown> }> => {
      const response = await fetch(`${here.url}/v1/sessions/http/import${query}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body,
      });
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    };
    const body = readFileSync(sample('logs/ai-sdk.json'), 'utf8');

    expect(await post('?format=word', body)).toMatchObject({ status: 400, json: { code: 'input.invalid' } });
    expect(await post('?agent=nobody', body)).toMatchObject({ status: 400, json: { code: 'agent.unknown' } });
    expect(await post('', `${'x'.repeat(9_000_000)}`)).toMatchObject({
      status: 400,
      json: { code: 'input.invalid' },
    });
    expect(
      await post('', '{"sojourn":2,"session":{"agent":"scripted"}}\n' + 'x'.repeat(9_000_000)),
    ).toMatchObject({
      status: 413,
      json: {
        code: 'input.too_large',
        detail: expect.stringContaining('Line 2 is over 8388608 bytes') as string,
      },
    });
    expect(await post('?format=ai-sdk&agent=scripted', body)).toMatchObject({
      status: 201,
      json: { key: 'http', imported: { format: 'ai-sdk', turns: 1, calls: 4 } },
    });
  });

  test('a client imports what it has as text, bytes or a stream', async () => {
    const token = readFileSync(join(here.folder, 'token'), 'utf8').trim();
    const client = connect({ url: here.url, token });
    const text = readFileSync(sample('logs/openai.json'), 'utf8');

    const one = await client.session('text').import(text, { format: 'openai' });
    const two = await client.session('blob').import(new Blob([text]));
    const three = await client.session('stream').import(new Blob([text]).stream(), { turnPerStep: true });

    expect([one, two, three].map(({ imported }) => imported.turns)).toEqual([2, 2, 3]);
  });
});
