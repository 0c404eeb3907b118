// Foreign: a log of another agent in neutral terms, whatever wrote it.
//
//   FO1. A reader of a format is a function of what was parsed. It reads no clock, makes no ids and writes nothing. It
//        pauses after each message, so that whoever drives it can let others come in between.
//   FO2. Nothing vanishes: what is understood and is no part of the conversation is counted by its kind, what is not
//        understood is counted with samples.
//   FO3. What is read costs the same however much was read before it: no step walks the turn it goes to.
import { Buffer } from 'node:buffer';
import type { Millis } from '../../kernel/clock.ts';
import type { InputPart, Part } from '../../wire/message.ts';
import type { Usage } from '../../wire/session.ts';
import type { Outcome } from '../../wire/turn.ts';

export type Step = { at?: Millis } & (
  | { kind: 'said'; parts: readonly Part[] }
  | { kind: 'called'; call: string; name: string; input: unknown }
  | { kind: 'returned'; call: string; output: unknown; isError: boolean }
  /** Somebody spoke while the agent worked. */
  | { kind: 'steered'; parts: readonly InputPart[] }
  | { kind: 'usage'; usage: Usage; costUsd: number; model?: string }
  /** The model is called again. */
  | { kind: 'asked' }
  /** Kept beside the conversation. */
  | { kind: 'noted'; name: string; data: unknown }
);

export interface ForeignTurn {
  at?: Millis;
  /** One or more messages. */
  inputs: (readonly InputPart[])[];
  steps: Step[];
  outcome: Outcome;
}

export interface ForeignLog {
  title?: string;
  turns: readonly ForeignTurn[];
}

/** One line or one member of what was parsed. `at` says where, for people: `line 7`, `/messages/3`. */
export interface Entry {
  at: string;
  value: unknown;
}

/** FO1. */
export type Reading = Generator<undefined, ForeignLog, undefined>;

export type Loose = Readonly<Record<string, unknown>>;

export function isLoose(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Milliseconds, from RFC 3339 or from seconds or milliseconds since 1970; undefined for anything else. */
export function timeIn(value: unknown): Millis | undefined {
  if (typeof value === 'number' && value > 0) {
    const ms = value < 1e11 ? value * 1_000 : value;
    return ms < 8.64e15 ? Math.round(ms) : undefined;
  }
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

export function countIn(value: unknown): number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : 0;
}

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[^,]*?)??(;base64)?,/;

/** A file by its address; one that holds its bytes itself becomes bytes. */
export function filePart(url: string, mediaType?: string, name?: string): InputPart {
  const named = name === undefined ? {} : { name: name.slice(0, 255) };
  const [head, type, base64] = DATA_URL.exec(url.slice(0, 1_000)) ?? [];
  if (head === undefined)
    return { type: 'file', mediaType: mediaType ?? 'application/octet-stream', url, ...named };
  const rest = url.slice(head.length);
  const data = base64 === undefined ? Buffer.from(percentDecoded(rest)).toString('base64') : rest;
  return { type: 'file', mediaType: mediaType ?? type ?? 'text/plain', data, ...named };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** FO2. */
export class Remainder {
  readonly #leftOut = new Map<string, number>();
  readonly #samples: { at: string; text: string }[] = [];
  #count = 0;

  /** Understood, and no part of the conversation. */
  leave(kind: string): void {
    const known = this.#leftOut.has(kind) || this.#leftOut.size < KINDS_MAX ? kind.slice(0, 64) : 'others';
    this.#leftOut.set(known, (this.#leftOut.get(known) ?? 0) + 1);
  }

  /** Not understood. */
  miss(at: string, value: unknown): void {
    this.#count += 1;
    if (this.#samples.length >= SAMPLES_MAX) return;
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
    this.#samples.push({ at, text: text.slice(0, SAMPLE_CHARS_MAX).toWellFormed() });
  }

  get leftOut(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#leftOut);
  }

  get notUnderstood(): { count: number; samples: readonly { at: string; text: string }[] } {
    return { count: this.#count, samples: this.#samples };
  }
}

const KINDS_MAX = 100;
const SAMPLES_MAX = 10;
const SAMPLE_CHARS_MAX = 200;

/** Puts turns together from messages that follow each other. */
export class TurnsOf {
  readonly turns: ForeignTurn[] = [];
  /** Of the last turn: more than notes. */
  #isUnderWay = false;

  /** A person speaks: that begins a turn, or adds to one in which nothing was done yet. */
  asked(parts: readonly InputPart[], at?: Millis): void {
    const last = this.turns.at(-1);
    if (last !== undefined && !this.#isUnderWay) {
      last.inputs.push(parts);
      return;
    }
    this.#isUnderWay = false;
    this.turns.push({
      ...(at === undefined ? {} : { at }),
      inputs: [parts],
      steps: [],
      outcome: 'completed',
    });
  }

  step(step: Step): void {
    const last = this.turns.at(-1);
    if (step.kind !== 'noted') this.#isUnderWay = true;
    if (last !== undefined) last.steps.push(step);
    // Nobody asked: it still happened.
    else
      this.turns.push({
        ...(step.at === undefined ? {} : { at: step.at }),
        inputs: [],
        steps: [step],
        outcome: 'completed',
      });
  }

  end(outcome: Outcome): void {
    const last = this.turns.at(-1);
    if (last !== undefined) last.outcome = outcome;
  }
}
