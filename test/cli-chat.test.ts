import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../src/cli/program.ts';
import { begin, cli, lines, testServer, type Running, type TestServer } from './cli-server.ts';
import { terminalWorld } from './cli-terminal.ts';

let server: TestServer;

beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.close());

const chat = (...words: string[]): Running => begin(server.folder, ['chat', ...words]);

describe('a chat over a pipe', () => {
  test('answers each line in order, and ends when the pipe does', async () => {
    const { code, out } = await cli(server.folder, ['chat', 'piped'], {
      stdin: 'Hello\n/words 3 0\n/count\n',
    });

    expect(out).toBe('You said: Hello\nw1 w2 w3\n3\n');
    expect(code).toBe(0);
  });

  test('shows a word as soon as the agent has said it', async () => {
    const talking = chat('quick');
    talking.stdin.write('/words 3 400\n');
    await talking.err.says('a new session');

    await talking.out.says('w1');
    const seen = talking.out.text;
    talking.stdin.end();
    await talking.ended;

    expect(seen).toBe('w1');
  });

  test('says what became of a message that met a running turn, by the policy that was chosen', async () => {
    const talking = chat('policies');
    talking.stdin.write('/words 100000 5\n');
    await talking.out.says('w2');
    talking.stdin.write('later\n');
    await talking.err.says('queued, position 1\n');
    talking.stdin.write('/policy interrupt\nat once\n');
    await talking.err.says(/queued, position 1, stops turn/);
    talking.stdin.end();

    expect(await talking.ended).toBe(0);
    expect(talking.out.text).toMatch(/You said: at once\nYou said: later\n$/);
    expect(talking.err.text).toContain('cancelled');
  });

  test('knows its policies', async () => {
    const { err } = await cli(server.folder, ['chat', 'wrong'], { stdin: '/policy hurry\n' });

    expect(err).toContain('There is no policy "hurry"');
  });

  test('cancels the turn and not itself on Ctrl-C, and leaves on the second at rest', async () => {
    const talking = chat('stopped');
    talking.stdin.write('/words 100000 5\n');
    await talking.out.says('w2');

    talking.interrupt();
    await talking.err.says('cancelled: stopped in the chat');
    talking.stdin.write('still there?\n');
    await talking.out.says('You said: still there?\n');
    talking.interrupt();
    await talking.err.says('Ctrl-C again');
    talking.interrupt();

    expect(await talking.ended).toBe(130);
  });

  test('asks the person what the agent asks, and passes the answer on', async () => {
    const talking = chat('asked');
    talking.stdin.write('/ask Which colour?\n');
    await talking.err.says('Which colour?');

    talking.stdin.write('blue\n');
    talking.stdin.write('');
    await talking.out.says('blue');
    talking.stdin.end();

    expect(await talking.ended).toBe(0);
  });

  test('is held in a session of its own for each agent, when it names none', async () => {
    const { code, err } = await cli(server.folder, ['chat'], { stdin: 'Hello\n' });

    expect(code).toBe(0);
    expect(err).toMatch(/^chat-scripted with scripted, a new session/);
  });

  test('does not wait for ever for an answer that cannot come', async () => {
    const { code, err } = await cli(server.folder, ['chat', 'unanswered'], { stdin: '/ask Anyone?\n' });

    expect(code).toBe(4);
    expect(err).toContain('npm run sojourn -- approve');
    await cli(server.folder, ['cancel', 'unanswered']);
  });

  test('takes its first line for the answer to what was asked before it came, and shows that once', async () => {
    await cli(server.folder, ['chat', 'asked before'], { stdin: '/ask Which colour?\n' });

    const { code, out, err } = await cli(server.folder, ['chat', 'asked before'], { stdin: 'blue\n' });

    expect(out).toBe('blue\n');
    expect(err.split('? Which colour?')).toHaveLength(2);
    expect(code).toBe(0);
  });

  test('shows what others say in the session', async () => {
    const talking = chat('shared');
    await talking.err.says('a new session');

    await cli(server.folder, ['send', 'shared', 'from elsewhere', '--channel', 'web', '--no-wait']);
    await talking.out.says('You said: from elsewhere');
    talking.stdin.end();
    await talking.ended;

    expect(talking.err.text).toContain('[web] from elsewhere');
  });

  test('shows what a running turn has said before it came', async () => {
    await cli(server.folder, ['send', 'joined', '/words 100000 5', '--no-wait']);
    const talking = chat('joined');

    await talking.out.says('w1 w2 w3');
    talking.stdin.write('/cancel\n');
    talking.stdin.end();

    expect(await talking.ended).toBe(0);
  });

  test('survives a restart of the server, and says so', async () => {
    const talking = chat('survivor');
    talking.stdin.write('before\n');
    await talking.out.says('You said: before');

    await server.restart();
    talking.stdin.write('/count\n');
    await talking.out.says('\n2');
    talking.stdin.end();

    expect(await talking.ended).toBe(0);
    expect(talking.err.text).toMatch(/connection lost[^]*connected again/);
  });

  test('gives a program receipts and events', async () => {
    const { out } = await cli(server.folder, ['chat', 'machine', '--json'], { stdin: 'Hello\n' });

    const values = lines<{ disposition?: string; kind?: string }>(out);
    expect(values.map((value) => value.kind ?? value.disposition)).toEqual(
      expect.arrayContaining(['started', 'turn.accepted', 'turn.ended']),
    );
  });

  test('exits with 1 when a turn of its own failed, and not for one that it stopped', async () => {
    const failed = await cli(server.folder, ['chat', 'failing'], { stdin: '/fail no\nHello\n' });
    const stopped = await cli(server.folder, ['chat', 'stopping'], {
      stdin: '/words 100000 5\n/policy interrupt Hello\n',
    });

    expect(failed.out).toBe('You said: Hello\n');
    expect([failed.code, stopped.code]).toEqual([1, 0]);
  });

  test('exits with what was wrong when a message is refused', async () => {
    await cli(server.folder, ['send', 'shut', 'x']);
    await cli(server.folder, ['close', 'shut']);

    const { code, err } = await cli(server.folder, ['chat', 'shut'], { stdin: 'Hello\n' });

    expect(code).toBe(4);
    expect(err).toContain('session.closed');
  });
});

describe('a chat on a terminal', () => {
  test('shows what is said above the line that is typed, and leaves on Ctrl-D', async () => {
    const { world, terminal, type } = terminalWorld(60);
    const ended = run(['chat', 'seen'], { ...world, env: { NO_COLOR: '1', SOJOURN_DATA: server.folder } });

    await terminal.shows((text) => text.endsWith('»'));
    type('/words 3 0\r');
    await terminal.shows((text) => text.includes('w3'));
    type('Hello\r');
    await terminal.shows((text) => text.includes('You said: Hello\n»'));
    type('\u0004');

    expect(await ended).toBe(0);
    expect(terminal.text).toContain('» /words 3 0\nw1 w2 w3\n» Hello\nYou said: Hello');
  });

  test('sends what was typed before Ctrl-D', async () => {
    const { world, terminal, type } = terminalWorld(60);
    const ended = run(['chat', 'parting'], {
      ...world,
      env: { NO_COLOR: '1', SOJOURN_DATA: server.folder },
    });

    await terminal.shows((text) => text.endsWith('»'));
    type('one\rtwo\rthree\r\u0004');

    expect(await ended).toBe(0);
    const { out } = await cli(server.folder, ['send', 'parting', '/count']);
    expect(out).toBe('4\n');
  });

  test('says so when it is left with words that a lost server has not taken', async () => {
    const away = await testServer();
    const { world, terminal, type } = terminalWorld(60);
    const ended = run(['chat', 'cut off'], { ...world, env: { NO_COLOR: '1', SOJOURN_DATA: away.folder } });
    await terminal.shows((text) => text.endsWith('»'));

    await away.close();
    await terminal.shows((text) => text.includes('connection lost'));
    type('anyone?\r/quit\r');

    expect(await ended).toBe(4);
    expect(terminal.text).toContain('What was typed last may not have arrived.');
  });

  test('lets the person say yes, no or always to an approval', async () => {
    const { world, terminal, type } = terminalWorld(60);
    const ended = run(['chat', 'questions'], {
      ...world,
      env: { NO_COLOR: '1', SOJOURN_DATA: server.folder },
    });

    await terminal.shows((text) => text.endsWith('»'));
    type('/ask Really?\r');
    await terminal.shows((text) => text.includes('? Really?\nanswer?'));
    type('/later\r');
    await terminal.shows((text) => text.endsWith('»'));
    type('/cancel\r');
    await terminal.shows((text) => text.includes('cancelled'));
    type('/quit\r');

    expect(await ended).toBe(0);
  });
});
