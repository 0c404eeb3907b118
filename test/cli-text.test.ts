import { execFileSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { commandOf } from '../src/cli/chat-command.ts';
import { shellWord } from '../src/cli/command-name.ts';
import { exitCodeOf } from '../src/cli/exit.ts';
import { Reply } from '../src/cli/reply.ts';
import { brief, Screen, table, visible } from '../src/cli/screen.ts';
import { widthOf, wrapped } from '../src/cli/wrap.ts';
import type { World } from '../src/cli/world.ts';
import type { Event } from '../src/client/client.ts';
import { SojournError, type ErrorCode } from '../src/kernel/errors.ts';

describe('what others wrote', () => {
  test('cannot command the terminal that shows it', () => {
    expect(visible('\u001b[2Jgone\u0007')).toBe('\\u{1b}[2Jgone\\u{7}');
    expect(visible('a\u009b31mb')).toBe('a\\u{9b}31mb');
    expect(visible('\rover')).toBe('\\u{d}over');
  });

  test('cannot turn the reading order or hide in tag characters', () => {
    expect(visible('abc\u202edcba')).toBe('abc\\u{202e}dcba');
    expect(visible('x\u{e0041}')).toBe('x\\u{e0041}');
  });

  test('keeps its line breaks, tabs, letters and pictures', () => {
    expect(visible('a\r\nb\tc é 日本 😀')).toBe('a\nb\tc é 日本 😀');
  });

  test('fits a line when it is only mentioned', () => {
    expect(brief('one\ntwo   three', 9)).toBe('one two …');
    expect(brief('😀😀😀', 3)).toBe('😀😀😀');
  });
});

describe('a line on a terminal', () => {
  test('breaks between words', () => {
    expect(wrapped('the quick brown fox', 10)).toEqual(['the quick', 'brown fox']);
  });

  test('breaks a word that is wider than the terminal', () => {
    expect(wrapped('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  });

  test.each(['サーバー', '㈱㎏', 'ㄅㄆ', '，。！', '￥', '❤️', '1️⃣', '⚡'])(
    'takes no character for narrow that a terminal draws wide: %s',
    (text) => {
      const clusters = new Intl.Segmenter().segment(text);

      expect(widthOf(text)).toBe(2 * [...clusters].length);
    },
  );

  test('breaks a word as long as a whole answer without keeping the person waiting', () => {
    const rows = wrapped(`${'日'.repeat(200_000)}!`, 80);

    expect(rows).toHaveLength(5_001);
    expect(rows.at(-1)).toBe('!');
  });

  test('counts wide characters twice', () => {
    expect(widthOf('日本')).toBe(4);
    expect(wrapped('日本日本', 4)).toEqual(['日本', '日本']);
  });

  test('is never wider than the terminal, and loses no letter', () => {
    const text = 'a bb ccc dddd 日本語 eeeee ffffff ggggggg hhhhhhhhhhhhhhhhhhhhhhhhhhh i';
    for (let columns = 2; columns < 60; columns += 1) {
      const rows = wrapped(text, columns);

      expect(Math.max(...rows.map((row) => widthOf(row.trimEnd()))), `${columns}`).toBeLessThanOrEqual(
        columns,
      );
      expect(rows.join('').replaceAll(' ', ''), `${columns}`).toBe(text.replaceAll(' ', ''));
    }
  });

  test('stands in columns where there are several', () => {
    expect(
      table([
        ['KEY', 'STATE'],
        ['日本', 'idle'],
        ['a', 'running'],
      ]),
    ).toBe('KEY   STATE\n日本  idle\na     running');
  });
});

describe('colours', () => {
  const painted = (env: World['env'], isTTY: boolean): string => {
    const stdout = Object.assign(new PassThrough(), { isTTY });
    const world: World = {
      env,
      cwd: '/',
      stdin: new PassThrough(),
      stdout,
      stderr: new PassThrough(),
      onSignal: () => () => undefined,
      exit: () => undefined,
    };
    return new Screen(world, false).style('red', 'x');
  };

  test('are for terminals only, and for those who want them', () => {
    expect(painted({}, true)).toBe('\u001b[31mx\u001b[39m');
    expect(painted({}, false)).toBe('x');
    expect(painted({ NO_COLOR: '1' }, true)).toBe('x');
    expect(painted({ TERM: 'dumb' }, true)).toBe('x');
  });
});

test.each([
  ['session.not_found', 3],
  ['turn.not_found', 3],
  ['auth.required', 5],
  ['auth.scope', 5],
  ['session.busy', 4],
  ['session.closed', 4],
  ['mailbox.full', 4],
  ['capacity', 4],
  ['runtime.draining', 4],
  ['server.unreachable', 4],
  ['key.invalid', 2],
  ['input.invalid', 2],
  ['idempotency.conflict', 2],
  ['config.invalid', 1],
  ['server.unexpected', 1],
  ['internal', 1],
] as const)('a script that meets %s sees exit code %i', (code: ErrorCode, exit) => {
  expect(exitCodeOf(new SojournError(code, 'x'))).toBe(exit);
});

test('a path in a command to paste is one word to a shell, whatever is in it', () => {
  const words = ['.sojourn/token', '/my data/token', "it's", '$(cat)', 'a;b'];
  const line = words.map(shellWord).join(' ');

  expect(line).toMatch(/^\.sojourn\/token '\/my data\/token' /);
  expect(
    execFileSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' })
      .trim()
      .split('\n'),
  ).toEqual(words);
});

describe('a line typed into a chat', () => {
  test('goes to the agent, slashes of its own included', () => {
    expect(commandOf('hello')).toEqual({ kind: 'say', text: 'hello' });
    expect(commandOf('/words 3 10')).toEqual({ kind: 'say', text: '/words 3 10' });
    expect(commandOf('//cancel')).toEqual({ kind: 'say', text: '/cancel' });
  });

  test('chooses the policy of the next message, or sends it at once', () => {
    expect(commandOf('/policy interrupt')).toEqual({ kind: 'policy', policy: 'interrupt', text: '' });
    expect(commandOf('/policy steer go left')).toEqual({ kind: 'policy', policy: 'steer', text: 'go left' });
    expect(commandOf('/policy hurry')).toEqual({ kind: 'wrong policy', name: 'hurry' });
  });

  test('cancels, leaves, helps, or is nothing', () => {
    expect(commandOf('/cancel')).toEqual({ kind: 'cancel', all: false });
    expect(commandOf('/cancel all')).toEqual({ kind: 'cancel', all: true });
    expect(commandOf('/quit')).toEqual({ kind: 'quit' });
    expect(commandOf('/help')).toEqual({ kind: 'help' });
    expect(commandOf('   ')).toEqual({ kind: 'nothing' });
  });
});

describe('a reply', () => {
  const event = (kind: string, body: object): Event => ({ seq: 1, at: '', kind, turn: 't', body }) as Event;
  const textOfAll = (events: Event[]): string => {
    const reply = new Reply();
    for (const one of events) reply.add(one);
    return reply.text;
  };
  const whole = (message: string, text: string): Event =>
    event('message', { message, role: 'assistant', parts: [{ type: 'text', text }] });

  test('is its deltas, and not once more the message made of them', () => {
    expect(
      textOfAll([
        event('text.delta', { text: 'Hel', message: 'm' }),
        event('text.delta', { text: 'lo', message: 'm' }),
        whole('m', 'Hello'),
      ]),
    ).toBe('Hello');
  });

  test('has a message that came without deltas, on a line of its own', () => {
    expect(textOfAll([whole('m', 'One'), whole('n', 'Two')])).toBe('One\nTwo');
  });

  test('forgets what an attempt that died had said', () => {
    expect(
      textOfAll([
        event('turn.started', { attempt: 1 }),
        event('text.delta', { text: 'half a', message: 'm' }),
        event('turn.started', { attempt: 2 }),
        event('text.delta', { text: 'all of it', message: 'n' }),
      ]),
    ).toBe('all of it');
  });

  test('leaves out what tools and people said', () => {
    expect(
      textOfAll([event('message', { message: 'u', role: 'user', parts: [{ type: 'text', text: 'hi' }] })]),
    ).toBe('');
  });
});
