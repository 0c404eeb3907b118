// A log for working sets: turns with tools, digests, attempts, steering and drops, one call an event.
import type { Limits } from '../src/kernel/limits.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import { CountedTexts, type Encoder } from '../src/context/counted-texts.ts';
import type { WorkingSetOptions } from '../src/context/gauge.ts';
import { WorkingSet } from '../src/context/working-set.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { inProcessEncoder } from '../src/testing/in-process-encoder.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import type { StoredEvent } from '../src/store/store.ts';
import type { Digest } from '../src/wire/context.ts';
import type { EventBodies, EventKind } from '../src/wire/event.ts';
import type { Part } from '../src/wire/message.ts';

const START = Date.UTC(2026, 0, 1);

export const text = (words: string): Part & { type: 'text' } => ({ type: 'text', text: words });

export class WorkingSetLog {
  readonly events: StoredEvent[] = [];

  add<Kind extends EventKind>(kind: Kind, turn: string | null, body: Partial<EventBodies[Kind]>): number {
    const seq = this.events.length + 1;
    this.events.push({ seq, at: START + 1_000 * seq, kind, turn, body: JSON.stringify(body) });
    return seq;
  }

  accept(turn: string, words: string, more: Partial<EventBodies['turn.accepted']> = {}): number {
    const input = { id: `${turn}-${this.events.length}`, parts: [text(words)] };
    return this.add('turn.accepted', turn, { input, disposition: 'started', kind: 'user', ...more });
  }

  start(turn: string, attempt = 1): void {
    this.add('turn.started', turn, { attempt });
  }

  say(turn: string, words: string): void {
    this.add('message', turn, { message: 'm', role: 'assistant', parts: [text(words)] });
  }

  /** A call with its result, as events and as messages. Answers the seq of `tool.returned`. */
  call(turn: string, call: string, output: unknown, input: unknown = { path: 'a.txt' }): number {
    this.add('tool.called', turn, { call, name: 'read', input });
    const seq = this.add('tool.returned', turn, { call, output, isError: false });
    const asked: Part = { type: 'tool-call', call, name: 'read', input };
    const returned: Part = { type: 'tool-result', call, name: 'read', output, isError: false };
    this.add('message', turn, { message: 'm', role: 'assistant', parts: [asked] });
    this.add('message', turn, { message: 'n', role: 'tool', parts: [returned] });
    return seq;
  }

  end(turn: string, outcome: EventBodies['turn.ended']['outcome'] = 'completed'): number {
    return this.add('turn.ended', turn, { outcome, text: '' });
  }

  /** A whole turn. */
  turn(turn: string, asked: string, answer: string, calls: Readonly<Record<string, unknown>> = {}): void {
    this.accept(turn, asked);
    this.start(turn);
    for (const [call, output] of Object.entries(calls)) this.call(turn, call, output);
    this.say(turn, answer);
    this.end(turn);
  }

  usage(turn: string, inputTokens: number, model = 'gpt-5'): void {
    const rest = { outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0 };
    this.add('usage', turn, { inputTokens, ...rest, model });
  }

  compact(...digests: readonly Partial<Digest>[]): void {
    const whole = digests.map((digest) => ({ from: 1, to: 1, ref: 'log:1-1', turns: [], ...digest }));
    this.add('context.compacted', null, {
      pressure: 'mild',
      by: 'rules',
      windowTokens: 1_000,
      tokensBefore: 500,
      tokensAfter: 200,
      digests: whole as readonly Digest[],
    });
  }

  fold(turns: readonly string[], words: string): void {
    this.compact({ kind: 'turns', turns, text: words });
  }
}

export function textsBy(encoder: Encoder = inProcessEncoder()): CountedTexts {
  return new CountedTexts({ encoder, clock: new ManualClock(), logger: silentLogger });
}

/** Counts by this, and nothing else. */
export function encoderOf(count: (text: string) => number): Encoder {
  return { encode: (texts) => Promise.resolve(texts.map(count)), close: () => Promise.resolve() };
}

export function measure(
  windowTokens = 200_000,
  limits: Partial<Limits> = {},
  texts = textsBy(),
): WorkingSetOptions {
  return { windowTokens, model: undefined, texts, limits: { ...DEFAULT_LIMITS, ...limits } };
}

/** The set that a log makes. */
export function setOf(log: WorkingSetLog, options = measure()): WorkingSet {
  const set = new WorkingSet(options);
  set.feed(log.events);
  return set;
}

/** What an agent is shown, a line a part. */
export function shown(set: WorkingSet): string[] {
  return set.history().flatMap(({ role, parts }) =>
    parts.map((part) => {
      if (part.type === 'text') return `${role}: ${part.text}`;
      if (part.type === 'tool-call') return `${part.call}(${JSON.stringify(part.input)})`;
      if (part.type === 'tool-result') return `${part.call} = ${JSON.stringify(part.output)}`;
      return part.type;
    }),
  );
}
