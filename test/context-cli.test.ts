// The working set at the command line: what a person sees of it, and what reaches a script.
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../src/cli/program.ts';
import { contextLines } from '../src/cli/context-text.ts';
import { eventLine } from '../src/cli/event-text.ts';
import { widthOf } from '../src/cli/wrap.ts';
import type { ContextEntry, ContextView, TaskView } from '../src/wire/context.ts';
import { cli, testServer, type TestServer } from './cli-server.ts';
import { terminalWorld } from './cli-terminal.ts';

function entry(given: Partial<ContextEntry>): ContextEntry {
  const rest = { messages: 2, tokens: 100, callTokens: 0, digested: 0, offloaded: 0, text: 'hello' };
  return { kind: 'turn', turn: 't', ref: 'log:1-9', ...rest, ...given };
}

function task(given: Partial<TaskView>): TaskView {
  const rest = { turns: 1, tools: [], children: [], startedAt: '', endedAt: null };
  return { id: 'a', title: 'Fix the parser', state: 'done', ref: 'log:1-9', ...rest, ...given };
}

function view(given: Partial<ContextView> = {}): ContextView {
  return {
    session: 's',
    seq: 4120,
    windowTokens: 200_000,
    overheadTokens: 0,
    tokens: 0,
    pressure: 'none',
    marks: { mild: 0.5, aggressive: 0.85, emergency: 0.95 },
    counting: 'openai',
    entries: [],
    calls: { pending: [], returned: 0, digested: 0 },
    artifacts: { count: 0, bytes: 0 },
    compactions: { count: 0, tokensSaved: 0, lastSeq: null },
    tasks: [],
    earlierTasks: 0,
    ...given,
  };
}

const shown = (given: Partial<ContextView>, columns = 120): string[] =>
  contextLines('alice/inbox', view(given), columns).map(({ text }) => text);

describe('a working set on a terminal', () => {
  test('says how full its window is, what is in it, what left it, and what the session is about', () => {
    const lines = shown({
      overheadTokens: 3_120,
      tokens: 121_400,
      pressure: 'mild',
      entries: [
        entry({ kind: 'digest', ref: 'log:1-3011', tokens: 4_210, text: 'Fix the parser' }),
        entry({ ref: 'log:3012-3610', tokens: 20_190, callTokens: 18_000, digested: 14, offloaded: 2 }),
        entry({ ref: 'log:3611-4120', tokens: 97_000, offloaded: 12, text: 'run all tests' }),
      ],
      calls: { pending: [{ turn: 't', call: 'c', name: 'bash' }], returned: 412, digested: 380 },
      artifacts: { count: 96, bytes: 18_400_200 },
      compactions: { count: 7, tokensSaved: 812_345, lastSeq: 4_098 },
      tasks: [
        task({ turns: 12, tools: [{ name: 'read_file', calls: 40 }] }),
        task({ id: 'b', state: 'open', title: 'Now the writer', ref: 'log:3012-4120' }),
      ],
      earlierTasks: 3,
    });

    expect(lines).toEqual([
      'alice/inbox, as its next turn sees it after event 4120',
      '',
      '  ██████████████████████████████▓███████░░░░░░░░░░░░░│░░░░░│░░',
      '  124,520 of 200,000 tokens (62 %), 3,120 of them instructions and tools, pressure mild',
      '  │ mild 50 %, aggressive 85 %, emergency 95 % of the window; counted as OpenAI models do',
      '',
      '  REF            TOKENS               CALLS   MOVED OUT                    WHAT',
      '  log:1-3011       4,210  ▍                                                digest: Fix the parser',
      '  log:3012-3610   20,190  ██▏         18,000  14 digested, 2 by reference  hello',
      '  log:3611-4120   97,000  ██████████          12 by reference              run all tests',
      '',
      '  calls        412 returned, 380 digested, waiting for bash',
      '  artifacts    96, 17.5 MiB',
      '  compactions  7, 812,345 tokens saved, the last at event 4098',
      '',
      '  TASK            REF            TOOLS',
      '  3 tasks before these',
      '  done  12 turns  log:1-9        read_file ×40  Fix the parser',
      '  open  1 turn    log:3012-4120                 Now the writer',
    ]);
  });

  test('is never wider than the terminal, whatever stands in it', () => {
    const wide = '日本語 and a long line of words that goes on '.repeat(5);
    const full: Partial<ContextView> = {
      tokens: 250_000,
      pressure: 'emergency',
      entries: [entry({ text: wide, digested: 1, offloaded: 1, tokens: 250_000, callTokens: 9 })],
      tasks: [task({ title: wide, tools: [{ name: wide, calls: 1 }] })],
    };

    for (let columns = 40; columns <= 200; columns += 7) {
      for (const line of shown(full, columns))
        expect(widthOf(line), `${columns}: ${line}`).toBeLessThanOrEqual(columns);
    }
  });

  test('a small window of a terminal leaves columns out and no text of what was said', () => {
    const lines = shown({ entries: [entry({ text: 'run all tests', digested: 3, callTokens: 50 })] }, 44);

    expect(lines).toContain('  REF      TOKENS   WHAT');
    expect(lines).toContain('  log:1-9      100  run all tests');
  });

  test('what an agent said cannot move the cursor of whoever looks', () => {
    const hostile = '\u001b[2J\u202e a\r\nb';
    const lines = shown({
      entries: [entry({ text: hostile, ref: hostile })],
      tasks: [task({ title: hostile, tools: [{ name: hostile, calls: 1 }] })],
      calls: { pending: [{ turn: 't', call: 'c', name: hostile }], returned: 0, digested: 0 },
      counting: hostile,
    });

    for (const sign of ['\u001b', '\u202e', '\r', '\n']) expect(lines.join('')).not.toContain(sign);
    expect(lines.join('')).toContain('\\u{1b}[2J');
  });

  test('of hundreds of turns the newest are shown, and what the others take together', () => {
    const entries = Array.from({ length: 500 }, (_, index) =>
      entry({ ref: `log:${index + 1}`, text: `turn ${index + 1}` }),
    );
    const tasks = entries.map((_, index) => task({ id: `${index}`, title: `task ${index}` }));

    const lines = shown({ entries, tasks, earlierTasks: 10 });

    expect(lines.length).toBeLessThan(55);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}… +47,700 .* 477 turns$/));
    expect(lines).toContainEqual(expect.stringMatching(/turn 500$/));
    expect(lines).toContain('  498 tasks before these');
  });

  test('of an agent that keeps its own conversation it says so, and measures nothing', () => {
    const lines = shown({ ownsHistory: true, artifacts: { count: 2, bytes: 2_048 } });

    expect(lines).toContain('  Its agent keeps the conversation itself: nothing of it is measured.');
    expect(lines).toContain('  artifacts    2, 2.0 KiB');
    expect(lines.join('')).not.toContain('█');
  });
});

describe('a line of the log', () => {
  const at = '2026-01-01T12:00:00.000Z';

  test('says what was moved out, what that saved and how to get it back', () => {
    const line = eventLine({
      seq: 7,
      at,
      kind: 'context.offloaded',
      turn: 't',
      body: {
        artifact: 'ab12',
        bytes: 204_800,
        mediaType: 'text/plain',
        from: 'tool.returned',
        tokens: 60_000,
        shownTokens: 600,
        ref: 'artifact:ab12',
      },
    });

    expect(line).toBe(
      '    7  12:00:00  context.offloaded  200.0 KiB of tool.returned moved out, 59,400 tokens saved: read artifact:ab12',
    );
  });

  test('says what was digested, by whom, why not by another, and how to get it back', () => {
    const line = eventLine({
      seq: 90,
      at,
      kind: 'context.compacted',
      turn: null,
      body: {
        pressure: 'aggressive',
        by: 'rules',
        instead: 'haiku took too long',
        windowTokens: 100_000,
        tokensBefore: 86_000,
        tokensAfter: 41_000,
        digests: [
          {
            kind: 'turns',
            from: 1,
            to: 40,
            ref: 'log:1-40',
            turns: ['a', 'b'],
            text: '…',
            tokensBefore: 1,
            tokensAfter: 1,
          },
          {
            kind: 'calls',
            from: 41,
            to: 60,
            ref: 'log:41-60',
            turns: ['c'],
            calls: [{ turn: 'c', call: '1', ref: 'log:44', text: '…' }],
            tokensBefore: 1,
            tokensAfter: 1,
          },
        ],
      },
    });

    expect(line).toBe(
      '   90  12:00:00  context.compacted  1 call and 2 turns digested by rules, since haiku took too long (aggressive), 45,000 tokens saved: read log:1-40 log:41-60',
    );
  });
});

describe('on a real server, with a window that is soon full', () => {
  let server: TestServer;
  const sojourn = (...words: string[]) => cli(server.folder, words);

  beforeAll(async () => {
    server = await testServer({ limits: { contextTokens: 4_000 } });
    for (let turn = 0; turn < 12; turn += 1) await sojourn('send', 'days', '/big 3000');
    await sojourn('send', 'days', '/big 50000');
  });
  afterAll(() => server.close());

  test('the working set of a session is shown, also while it sleeps', async () => {
    await sojourn('evict', 'days'); // Not before what is being digested is.
    const { out, code } = await sojourn('show', 'days', '--context');

    expect(code).toBe(0);
    expect(out).toMatch(/^days, as its next turn sees it after event \d+\n\n {2}[█▓│░]{60}\n/);
    expect(out).toMatch(/^ {2}[\d,]+ of 4,000 tokens \(\d+ %\)/m);
    expect(out).toMatch(/^ {2}log:2-\d+ .* digest: /m);
    expect(out).toMatch(/^ {2}log:\d+-\d+ .* 1 by reference .*\/big 50000$/m);
    expect(out).toMatch(/^ {2}compactions {2}\d+, [\d,]+ tokens saved, the last at event \d+$/m);
    expect(out).toMatch(/^ {2}done {2}1 turn +log:\d+-\d+ +big ×1 +\/big 50000$/m);
    expect(out).not.toContain('\u001b');
  });

  test('scripts get all of it as JSON, and the map of tasks as text or in JSON', async () => {
    const view = JSON.parse((await sojourn('show', 'days', '--context', '--json')).out) as ContextView;
    const map = await sojourn('show', 'days', '--mermaid');
    const inJson = JSON.parse((await sojourn('show', 'days', '--mermaid', '--json')).out) as {
      mermaid: string;
    };

    expect(view).toMatchObject({ windowTokens: 4_000, calls: { returned: 13 } });
    expect(map.out).toMatch(/^flowchart TD\n/);
    expect(inJson.mermaid.trimEnd()).toBe(map.out.trimEnd());
  });

  test('its log says on a line each what was moved out and what was digested', async () => {
    const { out } = await sojourn('tail', 'days', '--no-follow');

    expect(out).toMatch(
      /context\.offloaded {2}48\.8 KiB of tool\.returned moved out, [\d,]+ tokens saved: read artifact:[0-9a-f]{64}$/m,
    );
    expect(out).toMatch(
      /context\.compacted {2}\d+ (call|turn)s? .*digested by rules .*tokens saved: read log:\d+-\d+/m,
    );
  });

  test('a terminal shows it in colours and within its width', async () => {
    const { world, terminal } = terminalWorld(60);
    let painted = '';
    const stdout = Object.assign(terminal, {
      write: (text: string) => {
        painted += text;
        return true;
      },
    });

    await run(['show', 'days', '--context'], { ...world, stdout, env: { SOJOURN_DATA: server.folder } });

    expect(painted).toContain('\u001b[');
    for (const line of stripVTControlCharacters(painted).split('\n'))
      expect(widthOf(line)).toBeLessThanOrEqual(60);
  });

  test('what was moved out and digested later is found once', async () => {
    await sojourn('send', 'once', '/big 20000');
    for (let turn = 0; turn < 4; turn += 1) await sojourn('send', 'once', '/big 1000');
    await sojourn('evict', 'once');
    const log = await sojourn('tail', 'once', '--no-follow', '--json');

    const { out } = await sojourn('read', 'once', '--search', '^line 1500$');

    expect(log.out).toMatch(/"kind":"context\.compacted".*"ref":"log:\d+","text":"\[Moved out: big/);
    expect(out).toMatch(/^artifact:[0-9a-f]{64}\n1500: line 1500\n$/);
  });

  test('a session that is not there is answered as one', async () => {
    expect((await sojourn('show', 'nobody', '--context')).code).toBe(3);
  });
});
