// Digest: what stands for a call of a tool, and for whole turns, made by rules and without a model. Pure.
//
//   DG1. The same events give the same digest: no clock, no chance, nothing but what was said and done.
//   DG2. It is one line of plain text for a call, and a few for a task; nothing in what it quotes begins a line of its own.
//   DG3. What people asked is kept longer than what tools did, the newest in more detail than the old; each links to its events.
//   DG4. However many turns it stands for, it is not longer than it may be: what does not fit is counted and linked.
//   DG5. A digest of turns begins with the digest that it replaces, also one that a model wrote.
import type { ArtifactRef, Message, Part, ToolResultPart } from '../wire/message.ts';
import { textOf } from '../wire/message.ts';
import { charsUpTo } from './json-text.ts';
import { stretchRef } from './reference.ts';

/** How much of a prompt a text takes. */
export type CountText = (text: string) => number;

/** One task in the turns a digest stands for, or the part of it that lies there. */
export interface TaskStretch {
  from: number;
  to: number;
  messages: readonly Message[];
}

const QUOTE_CHARS = 60;
const LINE_CHARS = 40;
const INPUT_CHARS_MAX = 200;
const ASKED_CHARS = 240;
const ASKED_SHORT_CHARS = 60;
const ENDED_CHARS = 160;
const FIRST_CHARS = 120;
const FILES_MAX = 5;
const TOOLS_MAX = 6;
/** Of a digest of turns: what people asked in full, then also the beginning of it; and what a model wrote of the time before. */
const ASKED_SHARE = 0.6;
const SHORT_SHARE = 0.75;
const TOLD_SHARE = 0.4;

/** Of a shell that waits for the next command. */
const PROMPT = /^\S{0,40}[$#>%]\s*$/;

/**
 * What is shown in the place of a tool's result. `ref` reads all of it, `around` also what it was given: said where that is
 * shown in short, too.
 */
export function callDigest(
  name: string,
  input: unknown,
  result: ToolResultPart,
  ref: string,
  around?: string,
): string {
  const { bytes, text } = outputOf(result);
  const lines = text.split('\n').filter((each) => /[\p{L}\p{N}]{2}/u.test(each) && !PROMPT.test(each));
  const first = lines[0];
  const last = lines.length > 1 ? lines.at(-1) : undefined;
  const said = [first, last].flatMap((each) => (each === undefined ? [] : [quoted(each, LINE_CHARS)]));
  const asked = salient(input);
  const given = around === undefined || !isLong(input) ? '' : `, with its input {"ref":"${around}"}`;
  const outcome = result.isError ? 'failed' : 'returned';
  const tool = cut(line(name), QUOTE_CHARS);
  const what = asked === '' ? tool : `${tool} ${asked}`;
  const shown = said.length === 0 ? '' : `: ${said.join(' … ')}`;
  return `[Moved out: ${what} ${outcome} ${bytes} bytes${shown}. read_back {"ref":"${ref}"}${given}]`;
}

/** What is shown of the input of a call whose result has left: short ones as they are. */
export function shortInput(input: unknown): unknown {
  if (!isLong(input)) return input;
  if (typeof input === 'string') return cut(input, INPUT_CHARS_MAX);
  if (Array.isArray(input)) return [];
  const short: Record<string, unknown> = {};
  let left = INPUT_CHARS_MAX;
  for (const [name, value] of Object.entries(input as object)) {
    if (name.length > left) continue;
    const kept: unknown = typeof value === 'string' ? cut(value, QUOTE_CHARS) : value;
    const chars = name.length + charsUpTo(kept, left);
    if (chars > left) continue;
    left -= chars;
    short[name] = kept;
  }
  return short;
}

/** What is shown of a digest of turns: that it is one, and how to read what it stands for. */
export function shownDigest(text: string, ref: string): string {
  return (
    '[A digest of what was said and done before, made by the session runtime. ' +
    `All of it can be read word for word with read_back: {"ref":"${ref}"}, one of the refs below, or {"search":{"pattern":"…"}}.]\n` +
    text
  );
}

/** DG4: at most `tokensMax`, as `count` counts. `earlier` is the text of the digest that it replaces. */
export function turnsDigest(
  tasks: readonly TaskStretch[],
  options: { earlier?: string | undefined; tokensMax: number; count: CountText },
): string {
  const { tokensMax, count } = options;
  const taken = (line: string): number => (line === '' ? 0 : count(`${line}\n`));
  const before = parsed(options.earlier ?? '');
  const entries = new Entries(before.entries, tasks);
  const told = before.told === '' ? '' : cutTo(before.told, TOLD_SHARE * tokensMax, count);
  const full = tokensMax - taken(told);
  const { lines, used } = askedLines(entries, { full, isMerged: before.merged !== undefined, taken });
  const oldest = entries.length - lines.length;
  const merged = mergedOf(before.merged, entries, oldest);
  const counted = merged === undefined ? '' : mergedLine(merged);
  let room = full - used - taken(counted);
  for (let index = lines.length - 1; index >= 0; index -= 1) {
    const did = entries.at(oldest + index)?.did ?? '';
    if (did === '' || taken(did) > room) continue;
    lines[index] += `\n${did}`;
    room -= taken(did);
  }
  const text = [told, counted, ...lines].filter((line) => line !== '').join('\n');
  return count(text) <= tokensMax ? text : cutTo(text, tokensMax, count);
}

/**
 * DG3: of the newest what was asked in full, of those before its beginning, and nothing of the oldest where there is no room.
 * `isMerged`: others came before these, and a line counts them.
 */
function askedLines(
  entries: Entries,
  { full, isMerged, taken }: { full: number; isMerged: boolean; taken: CountText },
): { lines: string[]; used: number } {
  const lines: string[] = [];
  let used = 0;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries.at(index);
    if (entry === undefined) break;
    const { head, asked } = entry;
    const isAll = index === 0 && !isMerged;
    const most = (isAll ? full : Math.min(SHORT_SHARE * full, full - COUNTED_TOKENS)) - used;
    const isShort = used > ASKED_SHARE * full || taken(head + asked) > most;
    const line = head + (isShort ? cut(asked, ASKED_SHORT_CHARS) : asked);
    if (taken(line) > most) break;
    lines.unshift(line);
    used += taken(line);
  }
  return { lines, used };
}

/** The beginning that takes no more than `tokensMax`. */
export function cutTo(text: string, tokensMax: number, count: CountText): string {
  let kept = text;
  for (let tokens = count(kept); tokens > tokensMax && kept !== ''; tokens = count(kept)) {
    kept = wellCut(kept, Math.min(kept.length - 1, Math.floor((kept.length * tokensMax) / tokens)));
  }
  return kept;
}

/** What the line takes that says how many came before, about. */
const COUNTED_TOKENS = 48;

/** One task in a digest. */
interface Entry {
  from: number;
  to: number;
  head: string;
  asked: string;
  /** Further lines of it. */
  did: string;
}

/** Those of an earlier digest, then the tasks: of very many only what is looked at is made. */
class Entries {
  readonly length: number;
  readonly #before: readonly Entry[];
  readonly #tasks: readonly TaskStretch[];

  constructor(before: readonly Entry[], tasks: readonly TaskStretch[]) {
    this.length = before.length + tasks.length;
    this.#before = before;
    this.#tasks = tasks;
  }

  at(index: number): Entry | undefined {
    const task = this.#tasks[index - this.#before.length];
    return task === undefined ? this.#before[index] : entryOf(task);
  }
}

interface Merged {
  count: number;
  from: number;
  to: number;
  /** What was asked first of all. */
  first: string;
}

function entryOf({ from, to, messages }: TaskStretch): Entry {
  const lines: string[] = [];
  const tools = toolsOf(messages);
  if (tools !== '') lines.push(`  did: ${tools}`);
  lines.push(`  ended: ${endOf(messages) || 'without an answer'}`);
  return { from, to, head: headOf(from, to), asked: askedOf(messages), did: lines.join('\n') };
}

/** The beginning of each thing that people said in it. */
function askedOf(messages: readonly Message[]): string {
  const asked = messages.filter(({ role }) => role === 'user').map(({ parts }) => line(said(parts)));
  if (asked.length === 0) return '(nothing was asked)';
  const each = Math.max(ASKED_SHORT_CHARS, Math.floor(ASKED_CHARS / asked.length));
  return cut(asked.map((words) => cut(words, each)).join(' / '), ASKED_CHARS);
}

function headOf(from: number, to: number): string {
  return `- ${stretchRef(from, to)} asked: `;
}

/** What people said in it, without what they attached. */
function said(parts: readonly Part[]): string {
  const files = parts.flatMap((part) =>
    part.type === 'file' ? [`(file ${part.name ?? part.mediaType})`] : [],
  );
  return [textOf(parts), ...files].join(' ');
}

/** Which tools ran how often, the most often first, and what they were given that looks like a file. */
function toolsOf(messages: readonly Message[]): string {
  const counts = new Map<string, number>();
  const files = new Set<string>();
  let failed = 0;
  for (const { parts } of messages) {
    for (const part of parts) {
      if (part.type === 'tool-result' && part.isError) failed += 1;
      if (part.type !== 'tool-call') continue;
      counts.set(part.name, (counts.get(part.name) ?? 0) + 1);
      for (const file of filesOf(part.input)) {
        files.delete(file);
        files.add(file); // The newest last.
      }
    }
  }
  if (counts.size === 0) return '';
  const tools = [...counts].toSorted(([, a], [, b]) => b - a);
  const named = tools.slice(0, TOOLS_MAX).map(([name, times]) => `${cut(line(name), QUOTE_CHARS)} ×${times}`);
  const rest = tools.length > TOOLS_MAX ? [`${tools.length - TOOLS_MAX} other tools`] : [];
  const touched = files.size === 0 ? '' : `; files: ${[...files].slice(-FILES_MAX).join(', ')}`;
  return [...named, ...rest].join(', ') + (failed === 0 ? '' : `; ${failed} failed`) + touched;
}

function filesOf(input: unknown): string[] {
  if (typeof input !== 'object' || input === null) return [];
  return Object.values(input).filter(
    (value): value is string => typeof value === 'string' && /^[\w@.~/\\:-]{1,119}\.\w{1,8}$/.test(value),
  );
}

/** The last sentence of the last thing that was answered. */
function endOf(messages: readonly Message[]): string {
  const answers = messages.filter(({ role, parts }) => role === 'assistant' && textOf(parts).trim() !== '');
  const last = line(textOf(answers.at(-1)?.parts ?? []));
  const sentence = last.split(/(?<=[.!?…])\s+/u).at(-1) ?? '';
  return cut(sentence, ENDED_CHARS);
}

/** DG5. What an earlier digest says: lines that rules made, by task, and the rest as it is. */
function parsed(text: string): { told: string; merged: Merged | undefined; entries: Entry[] } {
  const told: string[] = [];
  const entries: Entry[] = [];
  let merged: Merged | undefined;
  for (const each of text.split('\n')) {
    const count = /^Before that: (\d+) tasks?, log:(\d+)-(\d+); first asked: (.*)$/.exec(each);
    const task = /^- log:(\d+)-(\d+) asked: (.*)$/.exec(each);
    const open = entries.at(-1);
    if (count !== null) {
      const [from, to] = [Number(count[2]), Number(count[3])];
      merged = { count: Number(count[1]), from, to, first: count[4] ?? '' };
    } else if (task !== null) {
      const [from, to] = [Number(task[1]), Number(task[2])];
      entries.push({ from, to, head: headOf(from, to), asked: task[3] ?? '', did: '' });
    } else if (open !== undefined && /^ {2}(did|ended): /.test(each)) {
      open.did = open.did === '' ? each : `${open.did}\n${each}`;
    } else if (each.trim() !== '') told.push(each);
  }
  return { told: told.join('\n'), merged, entries };
}

/** Of the first `count` of them. */
function mergedOf(before: Merged | undefined, entries: Entries, count: number): Merged | undefined {
  const first = entries.at(0);
  const last = entries.at(count - 1);
  if (count === 0 || first === undefined || last === undefined) return before;
  return {
    count: (before?.count ?? 0) + count,
    from: before?.from ?? first.from,
    to: last.to,
    first: before?.first ?? cut(first.asked, FIRST_CHARS),
  };
}

function mergedLine({ count, from, to, first }: Merged): string {
  return `Before that: ${count} ${count === 1 ? 'task' : 'tasks'}, ${stretchRef(from, to)}; first asked: ${first}`;
}

const SALIENT = [
  'command',
  'cmd',
  'path',
  'file_path',
  'file',
  'filename',
  'url',
  'query',
  'pattern',
  'name',
];

/** The member that says most of what was asked of the tool. */
function salient(input: unknown): string {
  if (typeof input === 'string') return quoted(input, QUOTE_CHARS);
  if (typeof input !== 'object' || input === null) return '';
  const members = new Map(Object.entries(input));
  const name = SALIENT.find((each) => typeof members.get(each) === 'string');
  const value: unknown =
    name === undefined ? [...members.values()].find((each) => typeof each === 'string') : members.get(name);
  return typeof value === 'string' ? quoted(value, QUOTE_CHARS) : '';
}

/** The whole where it is in the log, and where it is not both of its ends. */
function outputOf({ output, ref }: ToolResultPart): { bytes: number; text: string } {
  if (ref !== undefined) return { bytes: ref.bytes, text: endsOf(ref) };
  const text = typeof output === 'string' ? output : (JSON.stringify(output) ?? '');
  return { bytes: Buffer.byteLength(text), text };
}

function endsOf({ preview, tail }: ArtifactRef): string {
  return tail === undefined ? preview : `${preview}\n${tail}`;
}

function isLong(input: unknown): boolean {
  return charsUpTo(input, INPUT_CHARS_MAX) > INPUT_CHARS_MAX;
}

/** DG2. */
function line(text: string): string {
  return text.replaceAll(/[\s\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

function quoted(text: string, charsMax: number): string {
  return JSON.stringify(cut(line(text.slice(0, charsMax * 4)), charsMax));
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${wellCut(text, charsMax - 1)}…`;
}

/** Between code points. */
function wellCut(text: string, chars: number): string {
  const last = text.charCodeAt(chars - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? chars - 1 : chars);
}
