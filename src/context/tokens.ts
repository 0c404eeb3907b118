// Tokens: what a text takes of a model's window.
//
// Owns: families of models, and what a part costs besides its text. Does not own: what is known of a text (`counted-texts.ts`),
// what of it is counted (`counter.ts`), when to count (the working set), what serves until then (`estimate.ts`), what a provider
// counted (`calibration.ts`).
//
//   K1. Counting takes a table of 60 MB, so it is done near a window only, and in a thread of its own. Before that an estimate
//       serves.
import { Buffer } from 'node:buffer';
import type { ArtifactRef, FilePart, Part } from '../wire/message.ts';
import { estimate, estimateFile, estimateRef, isText } from './estimate.ts';

/** Models of one family share an encoding, or are measured by the nearest one that is public. */
export type Family = 'openai' | 'claude' | 'other';

/** What a family's models count for one token of the encoding that is used, on prose and code. A provider's figures refine it. */
export const RATIO: Readonly<Record<Family, number>> = { openai: 1, claude: 1.15, other: 1.1 };

/** What a message and a part of a call take besides their texts. */
export const MESSAGE_TOKENS = 4;
const CALL_TOKENS = 8;
/** The line that says how a result that was moved out can be read. */
const REF_TOKENS = 80;

/** What a figure was counted by: a family's encoding, or no encoding at all. */
export type CountedBy = Family | 'estimate';

export function familyOf(model: string | undefined): Family {
  if (model === undefined) return 'other';
  if (/claude|anthropic/i.test(model)) return 'claude';
  return /(^|[/.:])(gpt|chatgpt|o\d|codex)/i.test(model) ? 'openai' : 'other';
}

/** Counts a text, or `times` as much where it shows how the rest is written. */
export type Count = (text: string, times?: number) => number;

/** What a part takes of a prompt. A result that is shown by reference takes what is shown of it. */
export function tokensOf(part: Part, count: Count): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      // Whole for the agent, whatever stands in the log.
      return part.ref === undefined ? count(part.text) : long(part.ref, count);
    case 'file':
      return fileTokens(part, count);
    case 'tool-call':
      return CALL_TOKENS + count(part.name) + count(jsonOf(part.input));
    case 'tool-result':
      return (
        CALL_TOKENS + (part.output === undefined ? refTokens(part.ref, count) : count(jsonOf(part.output)))
      );
    case 'custom':
      return part.ref === undefined ? count(jsonOf(part.data)) : long(part.ref, count);
  }
}

/** Of what a model is shown of it. */
function refTokens(ref: ArtifactRef | undefined, count: Count): number {
  return ref === undefined ? 0 : count(ref.preview) + count(ref.tail ?? '') + REF_TOKENS;
}

/** As was estimated of all of it, and corrected by what its beginning and end count. */
function long(ref: ArtifactRef, count: Count): number {
  const shown = ref.preview + (ref.tail ?? '');
  const whole = estimateRef(ref);
  return shown === '' ? whole : count(shown, whole / Math.max(1, estimate(shown)));
}

function fileTokens({ mediaType, data = '', ref }: FilePart, count: Count): number {
  if (!isText(mediaType)) return estimateFile(mediaType, ref?.bytes ?? Buffer.byteLength(data, 'base64'));
  return ref === undefined ? count(Buffer.from(data, 'base64').toString('utf8')) : long(ref, count);
}

function jsonOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
