// View schema: the shape of every answer, only published and never parsed, so that answering costs nothing extra.
// Each is typed by the wire type it describes, so that neither can change without the other.
import * as z from 'zod';
import { SCOPES, type TokenView } from './access.ts';
import type { AgentView, CancelResult, StatsView } from './calls.ts';
import type { ArtifactRef, Input, TranscriptMessage } from './message.ts';
import { MILESTONES, type PostPage, type PostView } from './post.ts';
import type { Problem } from './problem.ts';
import { budget, ownObject } from './schema.ts';
import {
  SESSION_STATES,
  type RequestView,
  type SessionView,
  type TreeNode,
  type TreeProgress,
  type Usage,
} from './session.ts';
import { OUTCOMES, TURN_KINDS, type Receipt, type TurnView } from './turn.ts';

const anything = z.unknown().meta({ description: 'Any JSON value.' });
const time = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' });
const seq = z.int().min(0);
const amount = z.number().min(0);

const usage: z.ZodType<Usage> = z
  .object({ inputTokens: amount, outputTokens: amount, cacheReadTokens: amount, cacheWriteTokens: amount })
  .meta({ id: 'Usage' });

const artifactRef: z.ZodType<ArtifactRef> = z
  .object({
    artifact: z.string().meta({ description: 'Read it at `/v1/sessions/{key}/artifacts/{artifact}`.' }),
    bytes: amount,
    mediaType: z.string(),
    preview: z.string(),
    tail: z.string().optional(),
    lines: z.int().optional().meta({ description: 'Of a text.' }),
    tokens: amount.optional().meta({ description: 'About what the whole would take of a prompt.' }),
  })
  .meta({ id: 'ArtifactRef', description: 'Where content went that was too large to stay in the log.' });

const input: z.ZodType<Input> = z
  .object({
    id: z.string(),
    parts: z.array(z.looseObject({ type: z.string() })),
    metadata: ownObject(Infinity).optional(),
  })
  .meta({ id: 'Input' }) as unknown as z.ZodType<Input>;

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
    posts: z
      .array(z.enum(MILESTONES))
      .optional()
      .meta({ description: 'What it posts on the timeline by itself. Only where it does.' }),
    internal: z
      .literal(true)
      .optional()
      .meta({ description: 'Nothing of it is digested or posted. Only where it is.' }),
    state: z.enum(SESSION_STATES),
    live: z.boolean().meta({ description: "Its agent's instance is in memory." }),
    generation: z
      .int()
      .meta({ description: 'Larger with each instance that is made for it; 0 while it has none.' }),
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
    acceptedSeq: seq,
    startSeq: seq.nullable(),
    endSeq: seq.nullable(),
  })
  .meta({ id: 'Turn' });

const eventView = z
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

const transcriptMessage = z
  .object({
    role: z.enum(['user', 'assistant', 'tool', 'system']),
    parts: z.array(part),
    turn: z.string().nullable(),
    at: time,
    dropped: z.literal(true).optional(),
    partial: z.literal(true).optional(),
  })
  .meta({ id: 'Message' }) as unknown as z.ZodType<TranscriptMessage>;

const treeProgress: z.ZodType<TreeProgress> = z
  .object({
    kind: z.string(),
    summary: z.string().optional(),
    message: z.string().optional(),
    percent: z.number().min(0).max(100).optional(),
    filePath: z.string().optional(),
    metadata: ownObject(Infinity).optional(),
    turnNumber: z.int(),
    elapsedMs: amount,
    at: time,
  })
  .meta({ id: 'TreeProgress', description: 'The newest that is known of a turn that is under way.' });

export const treeNode: z.ZodType<TreeNode> = z
  .object({
    session: sessionView,
    outcome: z
      .enum(OUTCOMES)
      .nullable()
      .meta({ description: 'How its newest turn ended; null while it is under way.' }),
    progress: treeProgress.nullable(),
    get children() {
      return z.array(treeNode);
    },
    omitted: z.int().positive().optional().meta({
      description:
        'How many sessions below it are left out, because there are too many; those at work and the newest are shown, and all are on the bill.',
    }),
    usage,
    costUsd: amount,
    left: budget.meta({ description: 'What it and everything below it may still spend.' }),
    reserved: budget
      .optional()
      .meta({ description: 'What of it is kept for the turns that its parent has asked for.' }),
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
    tool: z
      .object({
        call: z.string(),
        name: z.string(),
        input: anything.meta({ description: 'The beginning of it where `ref` is set.' }),
        inputHash: z.string(),
        ref: artifactRef.optional().meta({ description: 'Where the exact input is that was too large.' }),
      })
      .optional(),
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

const artifactView = z
  .object({ id: z.string(), bytes: z.int(), mediaType: z.string(), name: z.string().nullable(), at: time })
  .meta({ id: 'Artifact' });

const agentView: z.ZodType<AgentView> = z
  .object({
    name: z.string(),
    default: z.boolean(),
    capabilities: z.object({
      rerun: z.enum(['never', 'waiting', 'safe']),
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
    registry: z.object({ hits: z.int(), misses: z.int() }).meta({
      description: 'Uses that found their session live, and uses that had to wait for its instance.',
    }),
    made: z.int(),
    remade: z.int(),
    remakeFailed: z.int(),
    refused: z.object({ busy: z.int(), capacity: z.int(), full: z.int() }),
    turns: counts,
    tails: z.int(),
    context: z.object({
      offloads: z.int(),
      offloadedBytes: z.int(),
      compactions: z.int(),
      tokensSaved: z.int(),
      byRules: z.int().meta({ description: 'Digests that rules made because a summariser failed.' }),
      collectedFiles: z.int().meta({ description: 'Files of artifacts that no log referred to any more.' }),
      collectedBytes: z.int(),
    }),
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

export const postView: z.ZodType<PostView> = z
  .object({
    id: z.int().min(1).meta({ description: 'Ascending within the project; the cursor.' }),
    at: time,
    project: z.string(),
    author: z.object({
      identity: z.string().nullable().meta({ description: 'Null where a session spoke for itself.' }),
      name: z.string(),
      context: z.string().nullable(),
      displayName: z.string(),
      identityKey: z.string().nullable(),
      avatarSeed: z.string(),
    }),
    content: z.string().meta({ description: 'Somebody else’s words: show them as text.' }),
    metadata: ownObject(Infinity),
    session: z.string().nullable(),
    turn: z.string().nullable(),
  })
  .meta({ id: 'Post', description: 'The author is as it was at that time.' });

// Pages and small answers.

export const sessionPageView = z.object({
  sessions: z.array(sessionView),
  nextCursor: z.string().nullable(),
});
export const turnPageView = z.object({ turns: z.array(turnView) });
export const eventPageView = z.object({ session: z.string(), headSeq: seq, events: z.array(eventView) });
export const transcriptView = z.object({ messages: z.array(transcriptMessage) });
export const postPageView: z.ZodType<PostPage> = z.object({
  posts: z.array(postView),
  next: z.int().nullable().meta({ description: 'Goes on as `after` or `before`; null: there is no more.' }),
  head: seq.meta({ description: 'The newest id there has been.' }),
  pruned: seq.meta({ description: 'Posts up to this id are gone for their age or number.' }),
});
export const requestPageView = z.object({ requests: z.array(requestView) });
export const artifactPageView = z.object({ artifacts: z.array(artifactView) });
export const agentPageView = z.object({ agents: z.array(agentView) });
export const projectPageView = z.object({ projects: z.array(projectView) });
export const tokenPageView = z.object({ tokens: z.array(tokenView) });
export const newTokenView = z.intersection(
  tokenView,
  z.object({ secret: z.string().meta({ description: 'Shown this once.' }) }),
);
export const readinessView = z.object({ status: z.enum(['starting', 'ready', 'draining', 'failed']) });
export const evictedView = z.object({ evicted: z.boolean() });
export const cancelledView = z.object({ cancelled: z.array(z.string()) });
export const decisionView = z.object({ decision: z.string() });
export const markedView = z.object({ marked: z.int() });
