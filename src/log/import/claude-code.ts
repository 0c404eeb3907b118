// Claude Code: the JSON lines it keeps of a session.
//
//   CC1. Entries form a tree by `parentUuid`: the conversation is the way from the last one up. What hangs beside it was
//        rewound. Results of calls that ran at once hang beside it, too, and belong to it, as does all that one answer of
//        the model said, which is spread over several lines.
//   CC2. A root ends the way, not the conversation: after a compaction it begins anew, and what came before goes first.
//   CC3. Lines of sub-agents (`isSidechain`) and what the program notes for itself are left out, and counted.
//   CC4. The lines of one answer repeat its usage: it counts once.
import type { InputPart, Part } from '../../wire/message.ts';
import {
  countIn,
  type Entry,
  isLoose,
  type Loose,
  type Reading,
  type Remainder,
  type Step,
  textIn,
  timeIn,
  TurnsOf,
} from './foreign.ts';

interface Line {
  at: string;
  entry: Loose;
  message: Loose;
}

/** CC3. */
const NOTES = new Set([
  'system',
  'summary',
  'custom-title',
  'ai-title',
  'file-history-snapshot',
  'queue-operation',
  'progress',
  'attachment',
  'last-prompt',
  'tag',
  'agent-name',
  'pr-link',
  'mode',
  'permission-mode',
]);

export function* readClaudeCode(entries: Iterable<Entry>, rest: Remainder): Reading {
  const lines: Line[] = [];
  const parents = new Map<string, string | undefined>();
  let title: string | undefined;
  for (const { at, value } of entries) {
    yield;
    if (!isLoose(value) || typeof value['type'] !== 'string') {
      rest.miss(at, value);
      continue;
    }
    const { type, uuid, parentUuid, logicalParentUuid } = value;
    if (typeof uuid === 'string') parents.set(uuid, textIn(parentUuid) ?? textIn(logicalParentUuid));
    title = textIn(value['summary']) ?? textIn(value['customTitle']) ?? textIn(value['aiTitle']) ?? title;
    if (type !== 'user' && type !== 'assistant') {
      if (NOTES.has(type)) rest.leave(type);
      else rest.miss(at, value);
    } else if (value['isSidechain'] === true) rest.leave('sidechain');
    else if (value['isMeta'] === true) rest.leave('meta');
    else if (isLoose(value['message'])) lines.push({ at, entry: value, message: value['message'] });
    else rest.miss(at, value);
  }
  const log = new TurnsOf();
  const reader = new Reader(log, rest);
  for (const line of conversationOf(lines, parents, rest)) {
    reader.read(line);
    yield;
  }
  reader.end();
  return title === undefined ? { turns: log.turns } : { title, turns: log.turns };
}

/** CC1, CC2. In the order of the file: parents stand before what follows from them. */
function conversationOf(
  lines: readonly Line[],
  parents: ReadonlyMap<string, string | undefined>,
  rest: Remainder,
): readonly Line[] {
  const byId = new Map(lines.map((line, index) => [textIn(line.entry['uuid']) ?? '', index]));
  const kept = new Set<number>();
  const seen = new Set<string>();
  let before = lines.length;
  for (let leaf = lines.length - 1; leaf >= 0; leaf = before - 1) {
    const way = [leaf];
    let id = textIn(lines[leaf]?.entry['uuid']);
    for (; id !== undefined && !seen.has(id); id = parents.get(id)) {
      seen.add(id);
      const index = byId.get(id);
      if (index !== undefined) way.push(index);
    }
    before = way.reduce((first, index) => Math.min(first, index), leaf);
    // A way that joins one that is kept was rewound.
    if (id === undefined) for (const index of way) kept.add(index);
  }
  addTogether(lines, kept);
  for (const [index] of lines.entries()) if (!kept.has(index)) rest.leave('rewound');
  return lines.filter((_line, index) => kept.has(index));
}

/** What belongs to the way although it hangs beside it (CC1). */
function addTogether(lines: readonly Line[], kept: Set<number>): void {
  const answers = new Set<string>();
  for (const [index, { message }] of lines.entries())
    if (kept.has(index) && typeof message['id'] === 'string') answers.add(message['id']);
  const calls = new Set<string>();
  for (const [index, { message }] of lines.entries()) {
    if (typeof message['id'] === 'string' && answers.has(message['id'])) kept.add(index);
    if (!kept.has(index)) continue;
    for (const block of blocksOf(message)) if (block['type'] === 'tool_use') calls.add(String(block['id']));
  }
  for (const [index, { message }] of lines.entries()) {
    const results = blocksOf(message).filter(({ type }) => type === 'tool_result');
    if (results.some(({ tool_use_id: id }) => calls.has(String(id)))) kept.add(index);
  }
}

function blocksOf({ content }: Loose): readonly Loose[] {
  return Array.isArray(content) ? content.filter(isLoose) : [];
}

class Reader {
  readonly #log: TurnsOf;
  readonly #rest: Remainder;
  #answer: unknown;
  /** What the answers of this turn used, and whose usage has been told (CC4). */
  readonly #used = new Map<unknown, Step>();
  readonly #told = new Set<unknown>();
  readonly #returned = new Set<string>();

  constructor(log: TurnsOf, rest: Remainder) {
    this.#log = log;
    this.#rest = rest;
  }

  read({ at: place, entry, message }: Line): void {
    const time = timeIn(entry['timestamp']);
    if (entry['type'] === 'assistant') this.#said(place, entry, message, time);
    else this.#heard(place, entry, message, time);
  }

  /** Of a turn. */
  end(): void {
    for (const [answer, usage] of this.#used) {
      if (!this.#told.has(answer)) this.#log.step(usage);
      this.#told.add(answer);
    }
    this.#used.clear();
  }

  #said(place: string, entry: Loose, message: Loose, time: number | undefined): void {
    const at = time === undefined ? {} : { at: time };
    const id = message['id'] ?? entry['uuid'] ?? place;
    if (this.#answer !== id) this.#log.step({ kind: 'asked', ...at });
    this.#answer = id;
    const usage = usageOf(message, entry, at);
    if (usage !== undefined) this.#used.set(id, usage);
    const { content } = message;
    const blocks: readonly unknown[] = Array.isArray(content) ? content : [{ type: 'text', text: content }];
    for (const [index, block] of blocks.entries()) {
      const step = isLoose(block) ? stepOf(block) : undefined;
      if (step === undefined) this.#rest.miss(`${place}, block ${index + 1}`, block);
      else this.#log.step({ ...step, ...at });
    }
    if (entry['isApiErrorMessage'] === true) this.#log.end('failed');
  }

  #heard(place: string, entry: Loose, message: Loose, time: number | undefined): void {
    const { content } = message;
    const blocks: readonly unknown[] = Array.isArray(content) ? content : [{ type: 'text', text: content }];
    const parts: InputPart[] = [];
    for (const [index, block] of blocks.entries()) {
      const here = `${place}, block ${index + 1}`;
      if (isLoose(block) && block['type'] === 'tool_result') this.#result(here, block, time);
      else {
        const part = isLoose(block) ? inputOf(block) : undefined;
        if (part === undefined) this.#rest.miss(here, block);
        else parts.push(part);
      }
    }
    if (parts.length === 0) return;
    // It stands for turns that are there themselves.
    if (entry['isCompactSummary'] === true && this.#log.turns.length > 0)
      return this.#rest.leave('compact summary');
    const [first] = parts;
    if (first?.type === 'text' && first.text.startsWith('[Request interrupted by user')) {
      this.#rest.leave('interruption');
      return this.#log.end('cancelled');
    }
    this.end();
    this.#log.asked(parts, time);
  }

  #result(place: string, block: Loose, time: number | undefined): void {
    const call = textIn(block['tool_use_id']);
    if (call === undefined || this.#returned.has(call)) return this.#rest.miss(place, block);
    this.#returned.add(call);
    this.#log.step({
      kind: 'returned',
      call,
      output: outputOf(block['content']),
      isError: block['is_error'] === true,
      ...(time === undefined ? {} : { at: time }),
    });
  }
}

function stepOf(block: Loose): Step | undefined {
  const part = saidOf(block);
  if (part !== undefined) return { kind: 'said', parts: [part] };
  const { type, id, name, input } = block;
  if (type !== 'tool_use' || typeof id !== 'string' || typeof name !== 'string') return undefined;
  return { kind: 'called', call: id, name, input: input ?? {} };
}

function saidOf({ type, text, thinking, signature, data }: Loose): Part | undefined {
  if (type === 'text' && typeof text === 'string') return { type, text };
  if (type === 'thinking' && typeof thinking === 'string') {
    const metadata = typeof signature === 'string' ? { metadata: { anthropic: { signature } } } : {};
    return { type: 'reasoning', text: thinking, ...metadata };
  }
  if (type === 'redacted_thinking' && typeof data === 'string')
    return { type: 'reasoning', text: '', metadata: { anthropic: { redactedData: data } } };
  return undefined;
}

function inputOf(block: Loose): InputPart | undefined {
  const { type, text, source } = block;
  if (type === 'text' && typeof text === 'string') return { type, text };
  if ((type !== 'image' && type !== 'document') || !isLoose(source)) return undefined;
  const mediaType = textIn(source['media_type']) ?? (type === 'image' ? 'image/*' : 'application/pdf');
  if (typeof source['data'] === 'string') {
    if (source['type'] === 'text') return { type: 'text', text: source['data'] };
    return { type: 'file', mediaType, data: source['data'] };
  }
  return typeof source['url'] === 'string' ? { type: 'file', mediaType, url: source['url'] } : undefined;
}

/** A result that is text is that text. */
function outputOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content ?? '';
  const texts = content.map((block: unknown) =>
    isLoose(block) && block['type'] === 'text' ? textIn(block['text']) : undefined,
  );
  return texts.every((text) => text !== undefined) ? texts.join('\n') : content;
}

function usageOf(message: Loose, entry: Loose, at: { at?: number }): Step | undefined {
  const { usage, model } = message;
  if (!isLoose(usage)) return undefined;
  return {
    kind: 'usage',
    usage: {
      inputTokens: countIn(usage['input_tokens']),
      outputTokens: countIn(usage['output_tokens']),
      cacheReadTokens: countIn(usage['cache_read_input_tokens']),
      cacheWriteTokens: countIn(usage['cache_creation_input_tokens']),
    },
    costUsd: countIn(entry['costUSD']),
    ...(typeof model === 'string' ? { model: model.slice(0, 200) } : {}),
    ...at,
  };
}
