import { expect, test } from 'vitest';
import { chatScreen, type ChatInput, type ChatScreen } from '../src/cli/chat-screen.ts';
import { Screen } from '../src/cli/screen.ts';
import { terminalWorld, type TestTerminal } from './cli-terminal.ts';

function chat(columns = 40): {
  screen: ChatScreen;
  terminal: TestTerminal;
  type: (keys: string) => void;
  lines: string[];
  happened: string[];
} {
  const { world, terminal, type } = terminalWorld(columns);
  const lines: string[] = [];
  const happened: string[] = [];
  const input: ChatInput = {
    line: (text) => lines.push(text),
    interrupt: () => happened.push('interrupt'),
    end: () => happened.push('end'),
  };
  const screen = chatScreen(world, new Screen(world, false), input);
  screen.prompt('» ');
  return { screen, terminal, type, lines, happened };
}

test('words appear above the prompt as they come', () => {
  const { screen, terminal } = chat();

  screen.say('Hello');
  expect(terminal.text).toBe('Hello\n»');
  screen.say(', you');

  expect(terminal.text).toBe('Hello, you\n»');
});

test('what is being typed stays whole while words come in', async () => {
  const { screen, terminal, type, lines } = chat();
  screen.say('One');

  type('my que');
  await terminal.shows((text) => text.includes('my que'));
  screen.say(' two');
  screen.say(' three');
  expect(terminal.text).toBe('One two three\n» my que');
  type('stion\r');
  await terminal.shows(() => lines.length === 1);

  expect(lines).toEqual(['my question']);
});

test('what was said goes on below the line that was typed in between', async () => {
  const { screen, terminal, type, lines } = chat();
  screen.say('One');

  type('hi\r');
  await terminal.shows((text) => lines.length === 1 && text.endsWith('\n»'));
  screen.say(' two');

  expect(terminal.text).toBe('One\n» hi\n two\n»');
});

test('a long answer is broken between words, and nothing of it is lost', () => {
  const { screen, terminal } = chat(20);

  for (const word of 'the quick brown fox jumps over the lazy dog again'.split(/(?= )/)) screen.say(word);

  expect(terminal.text).toBe('the quick brown fox\njumps over the lazy\ndog again\n»');
});

test('a typed line that is longer than the terminal stays whole too', async () => {
  const { screen, terminal, type } = chat(20);
  screen.say('One');

  type('a line of more than twenty letters');
  await terminal.shows((text) => text.includes('letters'));
  screen.say(' two');

  expect(terminal.text).toBe('One two\n» a line of more tha\nn twenty letters');
});

test('a remark stands on a line of its own', () => {
  const { screen, terminal } = chat();

  screen.say('One');
  screen.note('queued, position 1');
  screen.say('Two');

  expect(terminal.text).toBe('One\nqueued, position 1\nTwo\n»');
});

test('lines and empty lines stay as they were said', () => {
  const { screen, terminal } = chat();

  screen.say('a\n');
  screen.say('\nb');

  expect(terminal.text).toBe('a\n\nb\n»');
});

test('a terminal that does not know its width is written to all the same', () => {
  const { screen, terminal } = chat(0);

  screen.say('Hello');

  expect(terminal.text).toContain('Hello');
});

test('an agent cannot command the terminal', () => {
  const { screen, terminal } = chat();

  screen.say('\u001b[2Jgone');

  expect(terminal.text).toBe('\\u{1b}[2Jgone\n»');
});

test('Ctrl-C and Ctrl-D are told apart', async () => {
  const { terminal, type, happened } = chat();

  type('\u0003');
  type('\u0004');
  await terminal.shows(() => happened.length === 2);

  expect(happened).toEqual(['interrupt', 'end']);
});
