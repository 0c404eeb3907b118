// Tokens: what a text takes of a model's window.
//
// Owns: families of models, the estimate, and what a part costs besides its text. Does not own: what is known of a text
// (`counted-texts.ts`), what of it is counted (`counter.ts`), when to count (the working set), what a provider counted (`calibration.ts`).
//
//   K1. Counting takes a table of 60 MB, so it is done near a window only, and in a thread of its own. Before that
//       `estimate` serves: half as much again is not too little for what people and tools usually write.
import { Buffer } from 'node:buffer';
import type { ArtifactRef, FilePart, Part } from '../wire/message.ts';

/** Models of one family share an encoding, or are measured by the nearest one that is public. */
export type Family = 'openai' | 'claude' | 'other';

/** What a family's models count for one token of the encoding that is used, on prose and code. A provider's figures refine it. */
export const RATIO: Readonly<Record<Family, number>> = { openai: 1, claude: 1.15, other: 1.1 };

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

/** About a third of its bytes (K1). */
export const estimate: Count = (text) => Math.ceil(Buffer.byteLength(text) / ESTIMATE_BYTES);

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
