// Schema: the shape of every call, once. A face parses with it and publishes it; view-schema.ts has the answers.
//
//   W1. Each schema is typed by the wire type it describes, so that neither can change without the other.
//   W2. Unknown fields are refused, except inside what belongs to the caller (`metadata`), which is kept by
//       reference and never copied name by name: a `__proto__` in it stays inert.
//   W3. Text that ends up in a column is bounded and well-formed.
//   W4. A refusal names the place as a JSON pointer, and repeats at most 64 signs of what was sent.
import * as z from 'zod';
import { SojournError } from '../kernel/errors.ts';
import type { JsonObject } from '../kernel/json.ts';
import { SCOPES } from './access.ts';
import type { AnswerCall, DirtyCall, ForkCall, OpenCall, TokenCall, TurnCall, UpdateCall } from './calls.ts';
import type { FilePart, TextPart } from './message.ts';
import type { Budget } from './session.ts';
import { MILESTONES, type PostCall } from './post.ts';
import { POLICIES, TURN_KINDS } from './turn.ts';

export type Schema<Value = unknown> = z.ZodType<Value>;

const KiB = 1_024;

/** Without lone surrogates: two of those are one in UTF-8. */
const wellFormed = (text: z.ZodString) =>
  text.refine((value) => value.isWellFormed(), { error: 'holds a lone surrogate', abort: true });

/** Text for a column: bounded, and well-formed. */
const text = (max: number) => wellFormed(z.string().max(max));

/** The caller's own object, by reference (W2). */
export const ownObject = (bytesMax: number) =>
  z
    .custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
      error: 'must be an object',
      abort: true,
    })
    .refine((value) => JSON.stringify(value).length <= bytesMax, { error: `is over ${bytesMax / KiB} KiB` })
    .meta({ override: { type: 'object', additionalProperties: true } });

const amount = z.number().min(0);

// Shared nouns.

export const budget: z.ZodType<Budget> = z
  .strictObject({
    usd: amount.optional(),
    tokens: amount.optional(),
    turns: amount.optional(),
    toolCalls: amount.optional(),
    ms: amount.optional().meta({ description: 'Wall time of turns, in milliseconds.' }),
  })
  .meta({ id: 'Budget', description: 'What may be spent. Absent means unbounded.' });

const textPart = z.strictObject({
  type: z.literal('text'),
  text: wellFormed(z.string()),
  metadata: ownObject(64 * KiB).optional(),
});

const filePart = z
  .strictObject({
    type: z.literal('file'),
    mediaType: text(255).min(1),
    name: text(255).optional(),
    url: wellFormed(z.string().min(1)).optional(),
    data: z
      .string()
      .regex(/^[A-Za-z0-9+/]*={0,2}$/, { error: 'must be base64' })
      .optional()
      .meta({ description: 'Base64.' }),
    metadata: ownObject(64 * KiB).optional(),
  })
  .refine((part) => (part.url === undefined) !== (part.data === undefined), {
    error: 'needs either "url" or "data"',
  });

/** Told apart by `type`, so that a refusal names what is wrong with the one that was meant. */
const inputPart: z.ZodType<TextPart | FilePart> = z
  .discriminatedUnion('type', [textPart, filePart], {
    error: ({ code }) => (code === 'invalid_union' ? 'must be "text" or "file"' : undefined),
  })
  .meta({ id: 'InputPart' });

// Calls.

const labels = z.array(text(200).min(1)).max(100);
const metadata = ownObject(16 * KiB);
const channel = text(200).min(1).meta({ description: 'Where it comes from: `web`, `slack`, `cron`, ...' });
const agent = text(200).min(1);
const milestones = z
  .array(z.enum(MILESTONES))
  .max(MILESTONES.length)
  .meta({ description: 'What it posts on the timeline by itself: `turn`, `child`, `budget`.' });

export const openCall: z.ZodType<OpenCall> = z
  .strictObject({
    agent: agent.optional(),
    title: text(1_000).optional(),
    owner: text(512).min(1).optional(),
    channel: channel.optional(),
    labels: labels.optional(),
    metadata: metadata.optional(),
    posts: milestones.optional(),
    internal: z
      .literal(true)
      .optional()
      .meta({ description: 'Nothing of it is digested or posted. Needs scope `operate`.' }),
  })
  .meta({ id: 'OpenCall', description: 'What is left out is not compared with what the session has.' });

export const updateCall: z.ZodType<UpdateCall> = z
  .strictObject({
    title: text(1_000).nullable().optional(),
    labels: labels.nullable().optional(),
    metadata: metadata.nullable().optional(),
    budget: budget.nullable().optional(),
    posts: milestones.nullable().optional(),
  })
  .meta({ id: 'UpdateCall', description: '`null` empties a field.' });

export const turnCall: z.ZodType<TurnCall> = z
  .strictObject({
    input: z.union([z.string(), z.array(inputPart).min(1)]),
    agent: agent.optional().meta({ description: 'Only used when this message makes the session.' }),
    policy: z.enum(POLICIES).optional().meta({ default: 'queue' }),
    deadlineMs: z.int().min(1).optional(),
    budget: budget.optional(),
    channel: channel.optional(),
    kind: z
      .enum(TURN_KINDS)
      .optional()
      .meta({ default: 'user', description: 'Other than `user` needs scope `operate`.' }),
    metadata: ownObject(64 * KiB).optional(),
    canAsk: z
      .boolean()
      .optional()
      .meta({ default: true, description: 'False: what it asks a person is denied at once.' }),
  })
  .meta({ id: 'TurnCall' });

export const forkCall: z.ZodType<ForkCall> = z
  .strictObject({
    key: z.string(),
    afterTurn: z.string().optional().meta({ description: 'The last turn taken along; default all.' }),
  })
  .meta({ id: 'ForkCall' });

export const reasonCall: z.ZodType<{ reason?: string }> = z.strictObject({ reason: text(1_000).optional() });

export const answerCall: z.ZodType<AnswerCall> = z
  .strictObject({
    decision: z.enum(['allow', 'deny']),
    // The runtime counts: what it refuses is the same for every way in.
    answer: wellFormed(z.string())
      .optional()
      .meta({ maxLength: 64 * KiB, description: 'At most 64 KiB.' }),
    remember: z.boolean().optional(),
  })
  .meta({ id: 'AnswerCall' });

export const dirtyCall: z.ZodType<DirtyCall> = z
  .strictObject({
    project: text(200).min(1).optional(),
    agent: agent.optional(),
    key: z.string().min(1).optional(),
    reason: text(1_000).min(1),
  })
  .meta({ id: 'DirtyCall' });

export const POST_METADATA_CHARS_MAX = 4 * KiB;

/** The runtime counts and checks the content: that rule is the same for every way in. */
export const postCall: z.ZodType<PostCall> = z
  .strictObject({
    content: z
      .string()
      .meta({ minLength: 1, maxLength: 280, description: '1 to 280 characters after trimming.' }),
    metadata: ownObject(POST_METADATA_CHARS_MAX).optional(),
    session: text(200).min(1).optional().meta({ description: 'The id of a session of this project.' }),
    turn: text(200).min(1).optional().meta({ description: 'A turn of that session.' }),
  })
  .meta({ id: 'PostCall' });

export const tokenCall: z.ZodType<TokenCall> = z
  .strictObject({
    name: text(200).min(1),
    scopes: z.array(z.enum(SCOPES)).min(1),
    project: text(200).min(1).optional().meta({ description: 'Default: the one the caller acts in.' }),
    owner: text(512).min(1).optional(),
    expiresAt: z.iso
      .datetime({ offset: true, error: 'must be an RFC 3339 time' })
      .optional()
      .meta({ format: 'date-time' }),
  })
  .meta({ id: 'TokenCall' });

export const projectCall: z.ZodType<{ name: string }> = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
    error: 'must be 1 to 63 letters, digits, dots, dashes or underscores, the first a letter or digit',
  }),
});

/** `value` as the schema describes it. Throws `input.invalid` or `input.unknown_field` (W4). */
export function checked<Value>(schema: Schema<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refusalOf(parsed.error.issues);
}

type Issue = z.core.$ZodIssue;

function refusalOf(issues: readonly Issue[]): SojournError {
  // A misspelled name explains the missing one better than the other way round.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  if (issue === undefined) return new SojournError('input.invalid', 'The body is not what this call takes');
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return refusalOf(closest(issue));
  const pointer = JSON.stringify(issue.path.map((name) => `/${pointerName(String(name))}`).join(''));
  if (issue.code === 'unrecognized_keys') {
    const name = JSON.stringify(issue.keys[0]?.slice(0, 64));
    return new SojournError('input.unknown_field', `Nothing is called ${name} at ${pointer}`);
  }
  return new SojournError('input.invalid', `At ${pointer}: ${plain(issue.message).slice(0, 200)}`);
}

/** Of a union's alternatives, the issues of the one that got furthest, with their place in the whole. */
function closest(issue: Extract<Issue, { code: 'invalid_union' }>): readonly Issue[] {
  const alternatives = issue.errors.map((errors) =>
    errors.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }) as Issue),
  );
  const depth = (errors: readonly Issue[]): number => errors[0]?.path.length ?? 0;
  const furthest = alternatives.toSorted((a, b) => depth(b) - depth(a))[0];
  if (furthest !== undefined && depth(furthest) > issue.path.length) return furthest;
  const message = alternatives.map((errors) => plain(errors[0]?.message ?? '')).join(', or ');
  return [{ code: 'custom', path: issue.path, message, input: undefined }];
}

const plain = (message: string): string => message.replace(/^Invalid input: /, '');

/** One step of a JSON pointer, cut short. */
export function pointerName(name: string): string {
  return name.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}
