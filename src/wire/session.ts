// Session: what a caller sees of one, and the smaller nouns around it.
import type { JsonObject } from '../kernel/json.ts';
import type { ArtifactRef } from './message.ts';
import type { Milestone } from './post.ts';
import type { Outcome, Progress } from './turn.ts';

export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
}

/** A fresh zero each time: a shared one would be added to by somebody. */
export const noUsage = (): Usage => ({
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
});

/** `part` is added to `sum`. */
export function addUsage(sum: Usage, part: Readonly<Usage>): void {
  for (const name of USAGES) sum[name] += part[name];
}

export const USAGES = ['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens'] as const;

/**
 * What a session and everything below it may spend. Absent means unbounded. `tokens` are those of input and output, without
 * what a cache held; `turns` counts those that are accepted; `ms` is wall time of turns, those that run at once counted each.
 */
export interface Budget {
  usd?: number;
  tokens?: number;
  turns?: number;
  toolCalls?: number;
  ms?: number;
}

export const SESSION_STATES = ['idle', 'queued', 'running', 'waiting', 'closed'] as const;
export type SessionState = (typeof SESSION_STATES)[number];

export interface SessionView {
  id: string;
  key: string;
  project: string;
  agent: string;
  owner: string | null;
  /** Where it was first spoken to; a turn has its own. */
  channel: string | null;
  title: string | null;
  /** The beginning of what was said first, at most 200 code points. */
  summary: string | null;
  labels: readonly string[];
  metadata: JsonObject;
  /** What it posts on the timeline by itself. Only where it does. */
  posts?: readonly Milestone[];
  /** It was made as one of the host's own: nothing of it is digested or posted. Only where it is. */
  internal?: true;
  state: SessionState;
  /** Its agent's instance is in memory. */
  live: boolean;
  /** Instances made for it since this process started; 0 when it has had none. */
  generation: number;
  /** It will be remade at the next safe point. */
  dirty: boolean;
  headSeq: number;
  /** The running turn. */
  turn: string | null;
  /** Turns that wait. */
  queued: number;
  usage: Usage;
  costUsd: number;
  budget: Budget;
  /** The id of the session whose turn started this one. */
  parent: string | null;
  createdAt: string;
  lastActiveAt: string;
}

export interface RequestView {
  id: string;
  session: string;
  key: string;
  turn: string;
  kind: 'question' | 'approval';
  text: string;
  options?: readonly string[];
  /** `input` is the preview where `ref` is set: the exact one is read there. `inputHash` is of the exact one. */
  tool?: { call: string; name: string; input: unknown; inputHash: string; ref?: ArtifactRef };
  openedAt: string;
  expiresAt: string;
}

/** The newest that is known of a child's turn that is under way. */
export type TreeProgress = Progress & { at: string; turnNumber: number; elapsedMs: number };

export interface TreeNode {
  session: SessionView;
  /** How its newest turn ended; null while it is under way, and where there was none. */
  outcome: Outcome | null;
  /** Null for what is not at work, for what has said nothing yet, and for the session at the top. */
  progress: TreeProgress | null;
  children: readonly TreeNode[];
  /** How many sessions below it are not among `children` nor below them, though they are on its bill; absent for none. */
  omitted?: number;
  /** Of this session and everything below it. */
  usage: Usage;
  costUsd: number;
  /** What it and everything below it may still spend, by its own budget and those above it. Absent means unbounded. */
  left: Budget;
  /** What of it is kept for the turns that its parent has asked for, out of what the parent had left; absent for nothing. */
  reserved?: Budget;
}
