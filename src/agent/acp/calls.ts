// Calls: the tools that an agent runs in one turn, from what it says of them piece by piece.
//
//   K1. A call is told once, with its arguments: agents announce one before they know them, and may give them piece by
//       piece. It is told when it begins to run, ends, needs a permission, or when something else comes or nothing for a
//       while. Arguments that change behind that are told as progress; a permission always asks with the newest.
//   K2. A result is told once, behind its call, and is at most `resultCharsMax` long.
//   K3. Arguments are told exactly, however large; the runtime moves them out of the log. Of large progress, which nobody is
//       asked about, the beginning is told and the hash of all of it.
//   K4. Agents run their tools themselves. That a call is in the log before it runs (G2) holds for those that ask for a
//       permission: it is answered behind it.
import { hash } from 'node:crypto';
import type { ToolCall, ToolCallContent, ToolCallUpdate } from '@agentclientprotocol/sdk';
import type { Progress } from '../../wire/turn.ts';
import type { AgentEvent } from '../agent.ts';
import { textOf } from './content.ts';

/** What is known of a call. */
export interface KnownCall {
  call: string;
  /** Of its tool; it does not change once the call is told. */
  name: string;
  title: string;
  input: unknown;
  state: 'announced' | 'told' | 'returned';
}

interface Entry extends KnownCall {
  content: readonly ToolCallContent[];
  output: unknown;
  kind: string;
  locations: readonly unknown[];
}

/** The kind of what is of no kind. */
const OTHER = 'other';

/** Of changes shown as progress. Results are cut where the options say, and leave the log by themselves. */
const PROGRESS_CHARS_MAX = 64 * 1_024;
const TITLE_CHARS_MAX = 500;
/** A name has at most 500 bytes, and a character three. */
const NAME_CHARS_MAX = 160;

export class Calls {
  readonly #resultCharsMax: number;
  readonly #known = new Map<string, Entry>();

  constructor(resultCharsMax: number) {
    this.#resultCharsMax = resultCharsMax;
  }

  *update(update: ToolCall | ToolCallUpdate): Iterable<AgentEvent> {
    yield* this.settle(String(update.toolCallId));
    const before = this.#known.get(String(update.toolCallId))?.input;
    const entry = this.#merged(update);
    if (entry.state === 'returned') return;
    const { status } = update;
    const isOver = status === 'completed' || status === 'failed';
    if (entry.state === 'announced' && (status === 'in_progress' || isOver)) yield* this.#told(entry);
    else if (entry.state === 'told' && !isOver) yield* progressed(entry, update, before);
    if (!isOver) return;
    entry.state = 'returned'; // K2
    yield {
      kind: 'tool.returned',
      call: entry.call,
      output: this.#result(entry),
      isError: status === 'failed',
    };
  }

  /** For whoever waits for the turn, where this says which file the call is at. Behind `update`. */
  progress(update: ToolCall | ToolCallUpdate): Progress | undefined {
    const entry = this.#known.get(String(update.toolCallId));
    const filePath = fileOf(update);
    if (entry === undefined || filePath === undefined) return undefined;
    const { name, title } = entry;
    return { kind: 'tool', summary: name, ...(title === '' ? {} : { message: title }), filePath };
  }

  /** Calls that are announced, and whose arguments may be all there are. */
  get areForming(): boolean {
    for (const entry of this.#known.values()) if (isForming(entry)) return true;
    return false;
  }

  /** K1: no more is to come of them, but for one. */
  *settle(but?: string): Iterable<AgentEvent> {
    for (const entry of this.#known.values()) {
      if (isForming(entry) && entry.call !== but) yield* this.#told(entry);
    }
  }

  /** The call that a permission is about, told if it was not (K1). */
  *asked(update: ToolCallUpdate): Generator<AgentEvent, KnownCall> {
    yield* this.settle(String(update.toolCallId));
    const entry = this.#merged(update);
    if (entry.state === 'announced') yield* this.#told(entry);
    return { ...entry, input: inputOf(entry) };
  }

  *#told(entry: Entry): Iterable<AgentEvent> {
    entry.state = 'told';
    yield { kind: 'tool.called', call: entry.call, name: entry.name, input: inputOf(entry) };
  }

  #merged(update: ToolCall | ToolCallUpdate): Entry {
    const call = String(update.toolCallId);
    const entry = this.#known.get(call) ?? {
      call,
      name: '',
      title: '',
      kind: OTHER,
      input: undefined,
      output: undefined,
      content: [],
      locations: [],
      state: 'announced',
    };
    this.#known.set(call, entry);
    if (entry.state === 'announced') entry.name = nameOf(update, entry);
    entry.title = (update.title ?? entry.title).slice(0, TITLE_CHARS_MAX).toWellFormed();
    entry.kind = update.kind ?? entry.kind;
    if (update.rawInput !== undefined) entry.input = update.rawInput;
    if (update.rawOutput !== undefined) entry.output = update.rawOutput;
    if (Array.isArray(update.content)) entry.content = update.content;
    if (Array.isArray(update.locations)) entry.locations = update.locations;
    return entry;
  }

  #result({ content, output }: Entry): unknown {
    const diffs = content.filter((part) => part.type === 'diff');
    const said = content
      .map((part) => (part.type === 'content' ? textOf(part.content) : ''))
      .filter((text) => text !== '')
      .join('\n');
    const result = output ?? (said === '' ? null : said);
    const whole = diffs.length === 0 ? result : { result, diffs: diffs.map(shownDiff) };
    return this.#cut(whole);
  }

  /** K2. */
  #cut(whole: unknown): unknown {
    const text = typeof whole === 'string' ? whole : (JSON.stringify(whole) ?? 'null');
    const left = text.length - this.#resultCharsMax;
    if (left <= 0) return whole;
    return `${text.slice(0, this.#resultCharsMax).toWellFormed()}\n[${left} more characters were left out.]`;
  }
}

function* progressed(entry: Entry, update: ToolCall | ToolCallUpdate, before: unknown): Iterable<AgentEvent> {
  const { input } = entry;
  const hasChanged = JSON.stringify(input) !== JSON.stringify(before);
  const diffs = (update.content ?? []).filter((part) => part.type === 'diff').map(shownDiff);
  const message = update.title === undefined || update.title === null ? undefined : entry.title;
  if (message === undefined && diffs.length === 0 && !hasChanged) return;
  const data = bounded({ ...(hasChanged ? { input } : {}), ...(diffs.length === 0 ? {} : { diffs }) });
  yield {
    kind: 'tool.progress',
    call: entry.call,
    ...(message === undefined ? {} : { message }),
    ...(hasChanged || diffs.length > 0 ? { data } : {}),
  };
}

/**
 * The tool's own name where the agent says it; the kind of tool that it is otherwise. Tools that are of no kind, as those of
 * MCP servers, go by what they were first called.
 */
function nameOf(update: ToolCall | ToolCallUpdate, before: Entry): string {
  const { claudeCode } = (update._meta ?? {}) as { claudeCode?: { toolName?: unknown } };
  for (const own of [update.name, claudeCode?.toolName]) {
    if (typeof own === 'string' && own !== '') return own;
  }
  if (before.name !== '' && before.name !== OTHER) return before.name;
  const kind = update.kind ?? before.kind;
  const title = kind === OTHER ? (update.title ?? '').trim() : '';
  return title === '' ? kind : title.slice(0, NAME_CHARS_MAX).toWellFormed();
}

/** Of the change that it shows, or of the first place that it says it is at. */
function fileOf({ content, locations }: ToolCall | ToolCallUpdate): string | undefined {
  const diff = Array.isArray(content) ? content.find(({ type }) => type === 'diff') : undefined;
  const at = diff ?? (Array.isArray(locations) ? locations[0] : undefined);
  return at !== undefined && 'path' in at && typeof at.path === 'string' ? at.path : undefined;
}

function hasInput({ input }: Entry): boolean {
  return input !== undefined && input !== null && JSON.stringify(input) !== '{}';
}

const isForming = (entry: Entry): boolean => entry.state === 'announced' && hasInput(entry);

/** K3. */
function bounded(value: unknown): unknown {
  const text = JSON.stringify(value) ?? 'null';
  if (text.length <= PROGRESS_CHARS_MAX) return value;
  const begin = text.slice(0, PROGRESS_CHARS_MAX / 4).toWellFormed();
  return { cut: true, characters: text.length, sha256: hash('sha256', text), begin };
}

/** The arguments; of a call that has none, what the agent says it is about. */
function inputOf(entry: Entry): unknown {
  if (hasInput(entry)) return entry.input;
  const { title, kind, locations, content } = entry;
  const about = content.map((part) => (part.type === 'content' ? textOf(part.content) : part));
  return {
    title,
    kind,
    ...(locations.length === 0 ? {} : { locations }),
    ...(about.length === 0 ? {} : { about }),
  };
}

const shownDiff = (part: ToolCallContent): unknown =>
  part.type === 'diff' ? { path: part.path, oldText: part.oldText ?? null, newText: part.newText } : part;
