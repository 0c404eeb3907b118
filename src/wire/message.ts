// Message: what people and agents say, in parts. The same shape in a turn's input, a transcript and an agent's history.
import type { JsonObject } from '../kernel/json.ts';

/** Where content went that was too large to stay in the log. Read it at `.../artifacts/{artifact}`. */
export interface ArtifactRef {
  /** The SHA-256 of the bytes, in hex. */
  artifact: string;
  bytes: number;
  mediaType: string;
  /** The first characters, for people. */
  preview: string;
  /** The last ones, where the two do not meet. */
  tail?: string;
  /** Of a text. */
  lines?: number;
  /** About what the whole would take of a prompt. */
  tokens?: number;
}

export interface TextPart {
  type: 'text';
  text: string;
  /** Set where `text` is only the preview of a larger text. */
  ref?: ArtifactRef;
  /** A provider's opaque metadata, kept verbatim. */
  metadata?: JsonObject;
}

export interface FilePart {
  type: 'file';
  mediaType: string;
  name?: string;
  /** Exactly one of these three. `data` is base64. */
  url?: string;
  data?: string;
  ref?: ArtifactRef;
  metadata?: JsonObject;
}

export interface ReasoningPart {
  type: 'reasoning';
  text: string;
  /** Set where `text` is only the preview of a larger text. */
  ref?: ArtifactRef;
  metadata?: JsonObject;
}

export interface ToolCallPart {
  type: 'tool-call';
  call: string;
  name: string;
  input: unknown;
  /** Of the JSON of the whole, where `input` is only a short form of it. */
  ref?: ArtifactRef;
  metadata?: JsonObject;
}

export interface ToolResultPart {
  type: 'tool-result';
  call: string;
  name: string;
  /** Absent where `ref` stands for it; in an agent's history also there: what a model is shown of it. */
  output?: unknown;
  ref?: ArtifactRef;
  isError: boolean;
  metadata?: JsonObject;
}

/** Anything else a framework says and needs back word for word (an approval, a provider's own part). */
export interface CustomPart {
  type: 'custom';
  name: string;
  data: unknown;
  /** Of the JSON of the whole, where `data` is only a short form of it. */
  ref?: ArtifactRef;
  metadata?: JsonObject;
}

export type InputPart = TextPart | FilePart;
export type Part = TextPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart | CustomPart;

/** One message handed to a session. */
export interface Input {
  id: string;
  parts: readonly InputPart[];
  metadata?: JsonObject;
}

export type Role = 'user' | 'assistant' | 'tool' | 'system';

export interface Message {
  role: Role;
  parts: readonly Part[];
  /** The turn it belongs to; null for what was there before the first. */
  turn: string | null;
  /** RFC 3339, UTC. */
  at: string;
}

export interface TranscriptMessage extends Message {
  /** Set on messages of a turn that was rolled back: agents and forks do not see them. */
  dropped?: true;
  /** Set on what an attempt had said when it stopped early. */
  partial?: true;
}

/** The text parts, joined. */
export function textOf(parts: readonly Part[]): string {
  let text = '';
  for (const part of parts) if (part.type === 'text') text += part.text;
  return text;
}
