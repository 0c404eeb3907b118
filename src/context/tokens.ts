// Tokens: what a text takes of a model's window.
//
// Owns: the one table of an encoding a process has, and what a part costs besides its text. Does not own: when to count (the
// working set), what a provider counted (`calibration.ts`).
//
//   K1. The table is loaded once, and only when something is counted: it takes 60 MB and a fifth of a second. Before that
//       `estimate` serves: half as much again is not too little for what people and tools usually write.
//   K2. The time a count takes is bounded: a long text is counted at places spread over it, and a run without a space is
//       cut, since an encoder is quadratic in the length of a word.
//   K3. Counting never throws: what is counted may hold the names of an encoding's control tokens.
import { Buffer } from 'node:buffer';
import type { ArtifactRef, FilePart, Part } from '../wire/message.ts';

/** Models of one family share an encoding, or are measured by the nearest one that is public. */
export type Family = 'openai' | 'claude' | 'other';

/** What a family's models count for one token of the encoding that is used, on prose and code. A provider's figures refine it. */
const RATIO: Readonly<Record<Family, number>> = { openai: 1, claude: 1.15, other: 1.1 };

/** A longer text is counted at `SAMPLES` places of `SAMPLE_CHARS` each (K2). */
const WHOLE_CHARS_MAX = 4_096;
const SAMPLES = 8;
const SAMPLE_CHARS = 256;
/** The longest run of characters that an encoder is given (K2). */
const RUN_CHARS_MAX = 256;

/** How many words' counts an encoder keeps. */
const WORDS_REMEMBERED_MAX = 10_000;

/** For a token: fewer than prose and code have, more than dense JSON has. */
const ESTIMATE_BYTES = 3;

/** What a message and a part of a call take besides their texts. */
export const MESSAGE_TOKENS = 4;
const CALL_TOKENS = 8;
/** The line that says how a result that was moved out can be read. */
const REF_TOKENS = 80;

/** A picture of the size that providers scale down to; documents and sounds by their length. */
const IMAGE_TOKENS = 1_600;
const FILE_TOKENS_MIN = 500;
const FILE_BYTES_A_TOKEN = 40;

/** What a figure was counted by: a family's encoding, or no encoding at all. */
export type CountedBy = Family | 'estimate';

export function familyOf(model: string | undefined): Family {
  if (model === undefined) return 'other';
  if (/claude|anthropic/i.test(model)) return 'claude';
  return /(^|[/.:])(gpt|chatgpt|o\d|codex)/i.test(model) ? 'openai' : 'other';
}

/** Counts a text. */
export type Count = (text: string) => number;

/** What counts, and by what. */
export interface Counter {
  by: CountedBy;
  count: Count;
}

/** About a third of its bytes (K1). */
export const estimate: Count = (text) => Math.ceil(Buffer.byteLength(text) / ESTIMATE_BYTES);

export class Tokens {
  readonly #load: () => Promise<Count>;
  #encoder: Count | undefined;
  #loading: Promise<void> | undefined;

  constructor(load: () => Promise<Count> = encoding) {
    this.#load = load;
  }

  /** K1. Those who ask at the same moment share one loading; a failed one is tried again by the next. */
  ready(): Promise<void> {
    if (this.#encoder !== undefined) return Promise.resolve();
    this.#loading ??= this.#load()
      .then((encoder) => {
        this.#encoder = encoder;
      })
      .finally(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }

  /** Undefined until it is loaded. */
  counter(family: Family): Count | undefined {
    const encoder = this.#encoder;
    return encoder === undefined ? undefined : (text) => Math.ceil(counted(text, encoder) * RATIO[family]);
  }
}

/** The one of the process: what it holds is a constant of the encoding. */
export const TOKENS = new Tokens();

/** What a part takes of a prompt. A result that is shown by reference takes what is shown of it. */
export function tokensOf(part: Part, count: Count): number {
  switch (part.type) {
    case 'text':
      // Whole for the agent, whatever stands in the log.
      return part.ref === undefined
        ? count(part.text)
        : (part.ref.tokens ?? long(part.ref.bytes, part.text, count));
    case 'reasoning':
      return count(part.text);
    case 'file':
      return fileTokens(part);
    case 'tool-call':
      return CALL_TOKENS + count(part.name) + count(jsonOf(part.input));
    case 'tool-result':
      return (
        CALL_TOKENS + (part.output === undefined ? refTokens(part.ref, count) : count(jsonOf(part.output)))
      );
    case 'custom':
      return count(jsonOf(part.data));
  }
}

/** Of what a model is shown of it. */
function refTokens(ref: ArtifactRef | undefined, count: Count): number {
  return ref === undefined ? 0 : count(ref.preview) + count(ref.tail ?? '') + REF_TOKENS;
}

/** By what stands at its beginning. */
function long(bytes: number, beginning: string, count: Count): number {
  const size = Buffer.byteLength(beginning);
  return size === 0 ? Math.ceil(bytes / ESTIMATE_BYTES) : Math.ceil((count(beginning) / size) * bytes);
}

function fileTokens({ mediaType, data, ref }: FilePart): number {
  if (mediaType.startsWith('image/')) return IMAGE_TOKENS;
  const bytes = ref?.bytes ?? Math.ceil(((data?.length ?? 0) * 3) / 4);
  if (mediaType.startsWith('text/')) return Math.ceil(bytes / ESTIMATE_BYTES);
  return Math.max(FILE_TOKENS_MIN, Math.ceil(bytes / FILE_BYTES_A_TOKEN));
}

function jsonOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** K2. */
function counted(text: string, encoder: Count): number {
  if (text.length <= WHOLE_CHARS_MAX) return inRuns(text, encoder);
  const step = (text.length - SAMPLE_CHARS) / (SAMPLES - 1);
  let tokens = 0;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const from = Math.round(sample * step);
    tokens += inRuns(text.slice(from, from + SAMPLE_CHARS), encoder);
  }
  return (tokens * text.length) / (SAMPLES * SAMPLE_CHARS);
}

/** K2. */
function inRuns(text: string, encoder: Count): number {
  if (text.length <= RUN_CHARS_MAX) return encoder(text);
  let tokens = 0;
  for (let from = 0; from < text.length;) {
    const until = from + RUN_CHARS_MAX;
    // Behind the last space, so that no word is cut that need not be.
    const space = until < text.length ? text.lastIndexOf(' ', until) : until;
    const end = space > from ? space : until;
    tokens += encoder(text.slice(from, end));
    from = end;
  }
  return tokens;
}

async function encoding(): Promise<Count> {
  const { countTokens, setMergeCacheSize } = await import('gpt-tokenizer/encoding/o200k_base');
  setMergeCacheSize(WORDS_REMEMBERED_MAX);
  return (text) => countTokens(text, { disallowedSpecial: new Set() }); // K3
}
