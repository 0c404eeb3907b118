// Event schema: what of an event's body a reader relies on, for events that come from elsewhere.
//
//   V1. Only what somebody reads is asked for; all else passes as it is, because newer kinds and members may come.
//   V2. A kind that is not here needs nothing but an object.
import * as z from 'zod';
import type { EventKind } from './event.ts';
import type { Schema } from './schema.ts';
import { OUTCOMES } from './turn.ts';

const id = z.string().min(1).max(256);
const count = z.number().min(0);
const reference = z.looseObject({
  artifact: z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be a SHA-256 in hex' }),
  bytes: z.int().min(0),
  mediaType: z.string(),
  preview: z.string(),
});

const part = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text'), text: z.string(), ref: reference.optional() }),
  z.looseObject({
    type: z.literal('file'),
    mediaType: z.string(),
    url: z.string().optional(),
    data: z.string().optional(),
    ref: reference.optional(),
  }),
  z.looseObject({ type: z.literal('reasoning'), text: z.string(), ref: reference.optional() }),
  z.looseObject({
    type: z.literal('tool-call'),
    call: z.string(),
    name: z.string(),
    ref: reference.optional(),
  }),
  z.looseObject({
    type: z.literal('tool-result'),
    call: z.string(),
    name: z.string(),
    isError: z.boolean(),
    ref: reference.optional(),
  }),
  z.looseObject({ type: z.literal('custom'), name: z.string(), ref: reference.optional() }),
]);

const input = z.looseObject({ id, parts: z.array(part) });
const usage = z.looseObject({
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
});
const failure = z.looseObject({ code: z.string(), message: z.string() });
const delta = z.looseObject({ text: z.string(), message: z.string() });
const ref = z.string().regex(/^(artifact:[0-9a-f]{64}|log:[1-9]\d{0,14}(-[1-9]\d{0,14})?)$/, {
  error: 'must be artifact: with 64 hexadecimal digits, log:SEQ or log:FROM-TO',
});

const digest = z.looseObject({
  kind: z.enum(['calls', 'turns']),
  from: z.int().min(1),
  to: z.int().min(1),
  ref,
  turns: z.array(z.string()),
  calls: z.array(z.looseObject({ turn: z.string(), call: z.string(), ref, text: z.string() })).optional(),
  text: z.string().optional(),
  tokensBefore: count,
  tokensAfter: count,
});

const ended = {
  outcome: z.enum(OUTCOMES),
  text: z.string(),
  ref: reference.optional(),
  error: failure.optional(),
  usage,
  costUsd: count,
};

/** V1. */
const BODIES: Partial<Record<EventKind, Schema>> = {
  'turn.accepted': z.looseObject({
    input,
    policy: z.string(),
    disposition: z.string(),
    kind: z.string(),
    author: z.string().nullable(),
    channel: z.string().nullable(),
  }),
  'turn.started': z.looseObject({ attempt: z.int().min(0) }),
  'turn.steered': z.looseObject({ input }),
  'turn.requeued': z.looseObject({ input, turn: id }),
  'turn.dropped': z.looseObject({ turn: id }),
  'turn.ended': z.looseObject(ended),
  'text.delta': delta,
  'reasoning.delta': delta,
  message: z.looseObject({
    message: z.string(),
    role: z.enum(['user', 'assistant', 'tool', 'system']),
    parts: z.array(part),
  }),
  'tool.called': z.looseObject({ call: z.string(), name: z.string(), ref: reference.optional() }),
  'tool.returned': z.looseObject({ call: z.string(), isError: z.boolean(), ...optional(reference) }),
  'request.opened': z.looseObject({
    request: id,
    key: z.string(),
    kind: z.enum(['question', 'approval']),
    text: z.string(),
    expiresAt: z.iso.datetime(),
    tool: z.looseObject({ call: z.string(), name: z.string(), ref: reference.optional() }).optional(),
  }),
  'request.closed': z.looseObject({ request: id, decision: z.string() }),
  'child.started': z.looseObject({
    session: id,
    key: z.string(),
    agent: z.string(),
    turn: id,
    spawn: z.string(),
  }),
  'child.ended': z.looseObject({
    ...ended,
    session: id,
    turn: id,
    images: z.array(part).optional(),
  }),
  usage: usage.extend({ costUsd: count }),
  'context.offloaded': reference.omit({ preview: true }).extend({ tokens: count, shownTokens: count, ref }),
  'context.compacted': z.looseObject({
    windowTokens: count,
    tokensBefore: count,
    tokensAfter: count,
    digests: z.array(digest),
  }),
  custom: z.looseObject({ ref: reference.optional() }),
};

function optional(schema: typeof reference): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(schema.shape).map(([name, member]) => [name, member.optional()]));
}

/** What is wrong with the body of an event of this kind: a place in it and why; undefined where nothing is. */
export function wrongWith(kind: string, body: unknown): string | undefined {
  const schema = Object.hasOwn(BODIES, kind) ? BODIES[kind as EventKind] : undefined; // V2
  const checked = schema?.safeParse(body);
  const [issue] = checked?.error?.issues ?? [];
  if (issue === undefined) return undefined;
  return `at "/${issue.path.map(String).join('/')}": ${issue.message}`.slice(0, 200);
}
