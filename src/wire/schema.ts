// Schema: the shape of everything that travels, once. A face parses calls with it and publishes all of it.
//
//   W1. Each schema is typed by the wire type it describes, so that neither can change without the other.
//   W2. Unknown fields are refused in calls, except inside what belongs to the caller (`metadata`), which is kept
//       by reference and never copied name by name: a `__proto__` in it stays inert.
//   W3. Text that ends up in a column is bounded and well-formed.
import * as z from 'zod';
import type { JsonObject } from '../kernel/json.ts';
import { SCOPES, type TokenView } from './access.ts';
import type {
  AgentView,
  AnswerCall,
  CancelResult,
  DirtyCall,
  ForkCall,
  OpenCall,
  StatsView,
  TokenCall,
  TurnCall,
  UpdateCall,
} from './calls.ts';
import type { ArtifactRef, FilePart, Input, TextPart, TranscriptMessage } from './message.ts';
import type { Problem } from './problem.ts';
import {
  SESSION_STATES,
  type Budget,
  type RequestView,
  type SessionView,
  type TreeNode,
  type Usage,
} from './session.ts';
import { OUTCOMES, POLICIES, TURN_KINDS, type Receipt, type TurnView } from './turn.ts';

const KiB = 1_024;

/** Text for a column: bounded, and without lone surrogates (two of those are one in UTF-8). */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => value.isWellFormed(), { error: 'holds a lone surrogate', abort: true });

/** The caller's own object, by reference (W2). */
const ownObject = (bytesMax: number) =>
  z
    .custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
      error: 'must be an object',
      abort: true,
    })
    .refine((value) => JSON.stringify(value).length <= bytesMax, { error: `is over ${bytesMax / KiB} KiB` })
    .meta({ override: { type: 'object', additionalProperties: true } });

const anything = z.unknown().meta({ description: 'Any JSON value.' });
const time = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' });
const seq = z.int().min(0);
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

const usage: z.ZodType<Usage> = z
  .object({ inputTokens: amount, outputTokens: amount, cacheReadTokens: amount, cacheWriteTokens: amount })
  .meta({ id: 'Usage' });

const artifactRef: z.ZodType<ArtifactRef> = z
  .object({
    artifact: z.string().meta({ description: 'Read it at `/v1/sessions/{key}/artifacts/{artifact}`.' }),
    bytes: amount,
    mediaType: z.string(),
    preview: z.string(),
  })
  .meta({ id: 'ArtifactRef', description: 'Where content went that was too large to stay in the log.' });

const textPart: z.ZodType<TextPart> = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  metadata: ownObject(64 * KiB).optional(),
});

const filePart: z.ZodType<FilePart> = z
  .strictObject({
    type: z.literal('file'),
    mediaType: text(255).min(1),
    name: text(255).optional(),
    url: z.string().min(1).optional(),
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

const inputPart = z.union([textPart, filePart]).meta({ id: 'InputPart' });

const input: z.ZodType<Input> = z
  .object({
    id: z.string(),
    parts: z.array(z.looseObject({ type: z.string() })),
    metadata: ownObject(Infinity).optional(),
  })
  .meta({ id: 'Input' }) as unknown as z.ZodType<Input>;

// Calls.

const labels = z.array(text(200).min(1)).max(100);
const metadata = ownObject(16 * KiB);
const channel = text(200).min(1).meta({ description: 'Where it comes from: `web`, `slack`, `cron`, ...' });
const agent = text(200).min(1);

export const openCall: z.ZodType<OpenCall> = z
  .strictObject({
    agent: agent.optional(),
    title: text(1_000).optional(),
    owner: text(512).min(1).optional(),
    channel: channel.optional(),
    labels: labels.optional(),
    metadata: metadata.optional(),
  })
  .meta({ id: 'OpenCall', description: 'What is left out is not compared with what the session has.' });

export const updateCall: z.ZodType<UpdateCall> = z
  .strictObject({
    title: text(1_000).nullable().optional(),
    labels: labels.optional(),
    metadata: metadata.optional(),
    budget: budget.optional(),
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
    answer: z.string().optional(),
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

export const tokenCall: z.ZodType<TokenCall> = z
  .strictObject({
    name: text(200).min(1),
    scopes: z.array(z.enum(SCOPES)).min(1),
    owner: text(512).min(1).optional(),
    expiresAt: z.iso
      .datetime({ offset: true, error: 'must be an RFC 3339 time' })
      .optional()
      .meta({ format: 'date-time' }),
  })
  .meta({ id: 'TokenCall' });

export const projectCall: z.ZodType<{ name: string }> = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, {
    error: 'must be 1 to 100 letters, digits, dots, dashes or underscores, the first a letter or digit',
  }),
});

// Views: only published, never parsed, so that an answer costs nothing extra.

export const sessionView: z.ZodType<SessionView> = z
  .object({
    id: z.string(),
    key: z.string(),
    project: z.string(),
    agent: z.string(),
    owner: z.string().nullable(),
    channel: z.string().nullable(),
    title: z.string().nullable(),
    summary: z.string().nullable(),
    labels: z.array(z.string()),
    metadata: ownObject(Infinity),
    state: z.enum(SESSION_STATES),
    live: z.boolean().meta({ description: "Its agent's instance is in memory." }),
    generation: z.int().meta({ description: 'Instances made for it since the server started.' }),
    dirty: z.boolean().meta({ description: 'It will be remade at the next safe point.' }),
    headSeq: seq,
    turn: z.string().nullable().meta({ description: 'The running turn.' }),
    queued: z.int(),
    usage,
    costUsd: amount,
    budget,
    parent: z.string().nullable(),
    createdAt: time,
    lastActiveAt: time,
  })
  .meta({ id: 'Session' });

export const receiptView: z.ZodType<Receipt> = z
  .object({
    session: z.string(),
    turn: z.string(),
    seq: seq.meta({ description: 'The cursor to read from.' }),
    disposition: z.enum(['started', 'queued', 'collected', 'steered', 'replayed']),
    position: z.int().optional().meta({ description: '1 is next. Only on `queued`.' }),
    stopped: z.string().optional().meta({ description: 'The turn that this message ends.' }),
  })
  .meta({ id: 'Receipt' });

export const turnView: z.ZodType<TurnView> = z
  .object({
    id: z.string(),
    state: z.enum(['queued', 'running', 'waiting', 'done']),
    outcome: z.enum(OUTCOMES).nullable(),
    kind: z.enum(TURN_KINDS),
    attempt: z.int(),
    input: z.array(input),
    text: z.string(),
    usage,
    costUsd: amount,
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    acceptedAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    startSeq: seq.nullable(),
    endSeq: seq.nullable(),
  })
  .meta({ id: 'Turn' });

export const eventView = z
  .object({
    seq: z.int().min(1),
    at: time,
    kind: z.string().meta({ examples: ['turn.accepted', 'text.delta', 'turn.ended'] }),
    turn: z.string().nullable(),
    body: z.looseObject({}),
  })
  .meta({
    id: 'Event',
    description: 'One entry of a session’s log. Skip kinds you do not know: new ones may come.',
  });

const part = z
  .looseObject({
    type: z.enum(['text', 'file', 'reasoning', 'tool-call', 'tool-result', 'custom']),
    ref: artifactRef.optional(),
  })
  .meta({ id: 'Part' });

export const transcriptMessage = z
  .object({
    role: z.enum(['user', 'assistant', 'tool', 'system']),
    parts: z.array(part),
    turn: z.string().nullable(),
    at: time,
    dropped: z.literal(true).optional(),
    partial: z.literal(true).optional(),
  })
  .meta({ id: 'Message' }) as unknown as z.ZodType<TranscriptMessage>;

export const treeNode: z.ZodType<TreeNode> = z
  .object({
    session: sessionView,
    get children() {
      return z.array(treeNode);
    },
    usage,
    costUsd: amount,
  })
  .meta({ id: 'TreeNode' });

export const requestView: z.ZodType<RequestView> = z
  .object({
    id: z.string(),
    session: z.string(),
    key: z.string(),
    turn: z.string(),
    kind: z.enum(['question', 'approval']),
    text: z.string(),
    options: z.array(z.string()).optional(),
    tool: z.object({ call: z.string(), name: z.string(), input: anything, inputHash: z.string() }).optional(),
    openedAt: time,
    expiresAt: time,
  })
  .meta({ id: 'Request', description: 'A question or an approval that waits for a person.' });

export const cancelResult: z.ZodType<CancelResult> = z
  .object({
    outcome: z.string(),
    changed: z.boolean().meta({ description: 'False: it was over already, and nothing changed.' }),
  })
  .meta({ id: 'CancelResult' });

export const artifactView = z
  .object({ id: z.string(), bytes: z.int(), mediaType: z.string(), name: z.string().nullable(), at: time })
  .meta({ id: 'Artifact' });

export const agentView: z.ZodType<AgentView> = z
  .object({
    name: z.string(),
    default: z.boolean(),
    capabilities: z.object({
      rerun: z.enum(['never', 'safe']),
      steers: z.boolean(),
      rewinds: z.boolean(),
      forks: z.boolean(),
      ownsHistory: z.boolean(),
    }),
  })
  .meta({ id: 'Agent' });

const counts = z.record(z.string(), z.number());

export const statsView: z.ZodType<StatsView> = z
  .object({
    live: z.int(),
    running: z.int(),
    queued: z.int(),
    waiting: z.int(),
    evictions: counts,
    made: z.int(),
    remade: z.int(),
    remakeFailed: z.int(),
    refused: z.object({ busy: z.int(), capacity: z.int(), full: z.int() }),
    turns: counts,
    tails: z.int(),
    log: z.object({ inFlightBytes: z.int(), appends: z.int(), events: z.int() }),
    store: z.object({
      commits: z.int(),
      appends: z.int(),
      events: z.int(),
      commitMsP50: z.number(),
      commitMsP99: z.number(),
      pending: z.int(),
      fileBytes: z.int(),
    }),
    uptimeMs: z.number(),
  })
  .meta({ id: 'Stats' });

export const projectView = z.object({ name: z.string(), createdAt: time }).meta({ id: 'Project' });

export const tokenView: z.ZodType<TokenView> = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    project: z.string(),
    owner: z.string().nullable(),
    createdAt: time,
    expiresAt: time.nullable(),
  })
  .meta({ id: 'Token' });

export const problemView: z.ZodType<Omit<Problem, 'code'> & { code: string }> = z
  .object({
    type: z.string(),
    title: z.string().meta({ description: 'The way out.' }),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ examples: ['session.busy'] }),
    next: z.enum(['stop', 'retry']),
    retryAfterMs: z.number().optional(),
    requestId: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457. Match on `code`.' });
