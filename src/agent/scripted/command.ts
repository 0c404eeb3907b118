// Command: what the scripted agent does when a message begins with a slash, and the ways it speaks.
//
// Owns the bounds of what one message may ask for. Past a bound the command is not begun: the answer says the bound (R1).
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { DEFAULT_LIMITS } from '../../kernel/limits.ts';
import type { Input, Part } from '../../wire/message.ts';
import type { AgentEvent, AgentTurn } from '../agent.ts';
import { readBackTool } from '../read-back-tool.ts';

/** One message of a turn, and what its answer may need. */
export interface Script {
  turn: AgentTurn;
  input: Input;
  /** Its place in the turn, from 0. */
  ordinal: number;
  wordMs: Millis;
  crash: (() => never) | undefined;
}

type Command = (script: Script, rest: string) => AsyncIterable<AgentEvent> | Iterable<AgentEvent>;

const HOUR = 60 * 60 * 1_000;
const WORDS_MAX = 100_000;
const WAIT_MS_MAX = HOUR;
/** One more than an artifact may hold, so that this refusal can be seen too. */
const BIG_BYTES_MAX = DEFAULT_LIMITS.artifactBytesMax + 1;
/** One delta: far below what one event may hold, whatever the characters. */
const DELTA_CHARACTERS_MAX = 8_192;

const USAGE = {
  words: `Use /words N MS: N from 0 to ${WORDS_MAX} words, MS from 0 to ${WAIT_MS_MAX} milliseconds between them.`,
  recall: 'Use /recall N: N from 1 to the number that /count says.',
  tool: 'Use /tool NAME JSON, for example /tool weather {"city":"Oslo"}.',
  big: `Use /big BYTES: BYTES from 0 to ${BIG_BYTES_MAX}.`,
  read: 'Use /read REF, or /read REF FROM-TO for lines: REF as the log or a digest names it, for example /read log:12 1-20.',
  find: 'Use /find PATTERN: a regular expression, looked for in all that was moved out of this session.',
  ask: 'Use /ask TEXT.',
  deaf: `Use /deaf MS: MS from 0 to ${WAIT_MS_MAX} milliseconds.`,
  spawn: 'Use /spawn AGENT INPUT, or /spawn& AGENT INPUT to go on without waiting.',
};

export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['words', words],
  ['count', (script) => saidAtOnce(String(heard(script).length))],
  ['recall', recall],
  ['tool', tool],
  ['big', big],
  ['read', read],
  ['find', find],
  ['ask', ask],
  ['deaf', deaf],
  ['fail', fail],
  ['crash', crash],
  ['spawn', (script, rest) => spawn(script, rest, true)],
  ['spawn&', (script, rest) => spawn(script, rest, false)],
]);

/**
 * Word by word, each with the white space before it (the last one also with what follows), so that the deltas joined
 * are `text`. Between two words it pauses, and takes what was steered to it (R2 and R4 of scripted.ts).
 */
export async function* spoken(turn: AgentTurn, text: string, wordMs: Millis): AsyncIterable<AgentEvent> {
  let first = true;
  for (const [word] of text.matchAll(/\s*\S+(?:\s+$)?|^\s+$/g)) {
    if (!first) {
      await pause(turn, wordMs);
      for (const input of turn.inbox.take()) yield ` (noted: ${wordsOf(input.parts)})`;
    }
    first = false;
    yield word;
  }
}

/** The text parts, joined. */
export function wordsOf(parts: readonly Part[]): string {
  let words = '';
  for (const part of parts) if (part.type === 'text') words += part.text;
  return words;
}

/** All of it now, in pieces that each fit into an event. */
export function* saidAtOnce(text: string): Iterable<AgentEvent> {
  for (let from = 0; from < text.length;) {
    let to = Math.min(from + DELTA_CHARACTERS_MAX, text.length);
    if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1))) to -= 1; // a pair stays in one delta
    yield text.slice(from, to);
    from = to;
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

function words({ turn, wordMs }: Script, rest: string) {
  const [count, ms = wordMs, ...more] = wholes(rest);
  if (!within(count, 0, WORDS_MAX) || !within(ms, 0, WAIT_MS_MAX) || more.length > 0) {
    return saidAtOnce(USAGE.words);
  }
  const text = Array.from({ length: count }, (_, index) => `w${index + 1}`).join(' ');
  return spoken(turn, text, ms);
}

function recall(script: Script, rest: string) {
  const [number, ...more] = wholes(rest);
  const said = heard(script);
  if (!within(number, 1, said.length) || more.length > 0) return saidAtOnce(USAGE.recall);
  return saidAtOnce(said[number - 1] ?? '');
}

/** What the user has said in this session up to and with this message. */
function heard({ turn, ordinal }: Script): string[] {
  const before = turn.history.filter((message) => message.role === 'user');
  const now = turn.inputs.slice(0, ordinal + 1);
  return [...before, ...now].map((message) => wordsOf(message.parts));
}

function* tool(script: Script, rest: string): Iterable<AgentEvent> {
  const [, name = '', json = ''] = /^(\S+)(?:\s+([\s\S]+))?$/.exec(rest) ?? [];
  const input = parsed(json || '{}');
  if (name === '' || input === undefined) {
    yield USAGE.tool;
    return;
  }
  const call = callId(script);
  yield { kind: 'tool.called', call, name, input: input.value };
  yield { kind: 'tool.returned', call, output: input.value };
  yield `${name} returned its input.`;
}

function* big(script: Script, rest: string): Iterable<AgentEvent> {
  const [bytes, ...more] = wholes(rest);
  if (!within(bytes, 0, BIG_BYTES_MAX) || more.length > 0) {
    yield USAGE.big;
    return;
  }
  const call = callId(script);
  yield { kind: 'tool.called', call, name: 'big', input: { bytes } };
  yield { kind: 'tool.returned', call, output: numberedLines(bytes) };
  yield `big returned ${bytes} bytes.`;
}

async function* read(script: Script, rest: string): AsyncIterable<AgentEvent> {
  const [, ref, from, to] = /^(\S+)(?:\s+(\d{1,15})(?:-(\d{1,15}))?)?$/.exec(rest) ?? [];
  if (ref === undefined) {
    yield USAGE.read;
    return;
  }
  const input: JsonObject =
    from === undefined ? { ref } : { ref, from_line: Number(from), to_line: Number(to ?? from) };
  yield* readBack(script, input);
}

async function* find(script: Script, rest: string): AsyncIterable<AgentEvent> {
  if (rest === '') yield USAGE.find;
  else yield* readBack(script, { search: rest });
}

/** As a model would call it; what it gave is the answer. */
async function* readBack(script: Script, input: JsonObject): AsyncIterable<AgentEvent> {
  const tool = readBackTool(script.turn);
  const call = callId(script);
  yield { kind: 'tool.called', call, name: tool.name, input };
  const { parts, isError } = await tool.call(input);
  const text = wordsOf(parts);
  yield { kind: 'tool.returned', call, output: text, isError };
  yield* saidAtOnce(text);
}

async function* ask({ turn, ordinal }: Script, rest: string): AsyncIterable<AgentEvent> {
  if (rest === '') {
    yield USAGE.ask;
    return;
  }
  // What it throws must pass: the turn may go on in a later attempt, which asks again with the same key.
  const answer = await turn.ask(ordinal === 0 ? 'ask' : `ask-${ordinal + 1}`, {
    kind: 'question',
    text: rest,
  });
  yield* saidAtOnce(answer.answer ?? answer.decision);
}

async function* deaf({ turn }: Script, rest: string): AsyncIterable<AgentEvent> {
  const [ms, ...more] = wholes(rest);
  if (!within(ms, 0, WAIT_MS_MAX) || more.length > 0) {
    yield USAGE.deaf;
    return;
  }
  yield `Deaf for ${ms} ms.`;
  await elapsed(turn.clock, ms);
  turn.signal.throwIfAborted();
  yield ' Listening again.';
}

function fail(_script: Script, rest: string): never {
  throw new SojournError('agent.failed', rest || 'It was told to fail');
}

function crash(script: Script): Iterable<AgentEvent> {
  if (script.turn.attempt > 1) return saidAtOnce(`back, attempt ${script.turn.attempt}`);
  if (script.crash === undefined) throw new SojournError('agent.failed', 'No way to crash was given to it');
  return script.crash();
}

async function* spawn({ turn }: Script, rest: string, waits: boolean): AsyncIterable<AgentEvent> {
  const [, agent, input] = /^(\S+)\s+([\s\S]+)$/.exec(rest) ?? [];
  if (agent === undefined || input === undefined) {
    yield USAGE.spawn;
    return;
  }
  const child = await turn.spawn(agent, input);
  if (!waits) {
    yield `Started ${child.session}.`;
    return;
  }
  const { outcome, text, isError, error } = await child.result();
  yield* saidAtOnce(isError ? `The child ended ${outcome}: ${error?.message ?? text}` : text);
}

/** `ms` later, or at once with the signal's reason. */
async function pause({ clock, signal }: AgentTurn, ms: Millis): Promise<void> {
  signal.throwIfAborted();
  if (ms === 0) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = clock.after(ms, resolve);
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await promise;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', stop);
  }
}

const elapsed = (clock: Clock, ms: Millis): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve);
  });

/** The whole numbers of "3 100"; NaN where there is something else. */
const wholes = (text: string): number[] =>
  text === '' ? [] : text.split(/\s+/).map((word) => (/^\d{1,15}$/.test(word) ? Number(word) : Number.NaN));

const within = (value: number | undefined, least: number, most: number): value is number =>
  value !== undefined && value >= least && value <= most;

/** Its own for each message of each attempt: a call that an attempt left dangling is never answered by a later one. */
const callId = ({ turn, ordinal }: Script): string => `${turn.id}-${turn.attempt}-${ordinal + 1}`;

function parsed(json: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) as unknown };
  } catch {
    return undefined; // the answer says how to write it (R1 of scripted.ts)
  }
}

/** "line 1\nline 2\n..." of exactly `bytes` ASCII characters. */
function numberedLines(bytes: number): string {
  const lines: string[] = [];
  for (let length = 0, number = 1; length < bytes; number += 1) {
    const line = `line ${number}\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('').slice(0, bytes);
}
