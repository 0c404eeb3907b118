// Turn: one or more inputs and everything the agent does about them, until one outcome.
import type { JsonObject } from '../kernel/json.ts';
import type { ArtifactRef, Input } from './message.ts';
import type { Usage } from './session.ts';

export const POLICIES = ['reject', 'queue', 'collect', 'interrupt', 'rollback', 'steer'] as const;
/** What a message does when it meets a busy session. */
export type Policy = (typeof POLICIES)[number];

export const TURN_KINDS = ['user', 'schedule', 'always_on', 'child'] as const;
export type TurnKind = (typeof TURN_KINDS)[number];

export const OUTCOMES = ['completed', 'failed', 'cancelled', 'interrupted', 'expired', 'budget'] as const;
/** How a turn ended; exactly one, for good. `interrupted`: the process died. */
export type Outcome = (typeof OUTCOMES)[number];

export type Disposition = 'started' | 'queued' | 'collected' | 'steered' | 'replayed';

export type TurnState = 'queued' | 'running' | 'waiting' | 'done';

export interface TurnError {
  code: string;
  message: string;
}

/** How a turn is getting on, for whoever waits for it. All of it is optional but the kind. */
export interface Progress {
  /** `started`, `tool`, `message`, `request`, or a name of the agent's own. */
  kind: string;
  /** A line for people, at most 200 code points; longer ones are cut. */
  summary?: string;
  message?: string;
  /** 0 to 100. */
  percent?: number;
  filePath?: string;
  metadata?: JsonObject;
}

/** What a turn leaves for whoever goes on with the work. */
export interface HandOff {
  summary: string;
  changedFiles?: readonly string[];
  decisions?: readonly string[];
  blockers?: readonly string[];
  followUps?: readonly string[];
}

/** What a turn of a child is for: its end is owed to the parent session. */
export interface ParentTurn {
  /** The session and the turn that asked for it, and under which key. */
  session: string;
  turn: string;
  spawn: string;
  /** The result becomes a turn of the parent, too. */
  whenDone?: 'turn';
  /** On a child's first turn: it does not end with its parent. */
  whenParentEnds?: 'handOn';
  /** Nobody answers what that turn asks a person, nor what is asked on its behalf. */
  canAsk?: false;
}

export interface Receipt {
  session: string;
  turn: string;
  /** The cursor to read from: the events of what was accepted have a larger seq. */
  seq: number;
  disposition: Disposition;
  /** 1 is next. Only on `queued`. */
  position?: number;
  /** The turn that this message ends. Only with `interrupt` and `rollback`. */
  stopped?: string;
}

export interface TurnView {
  id: string;
  state: TurnState;
  outcome: Outcome | null;
  kind: TurnKind;
  attempt: number;
  input: readonly Input[];
  /** Of its last assistant message. */
  text: string;
  /** Set where `text` is only the preview. */
  ref?: ArtifactRef;
  usage: Usage;
  costUsd: number;
  error: TurnError | null;
  acceptedAt: string;
  startedAt: string | null;
  endedAt: string | null;
  /** Of the event that accepted it; the list goes on `before` it. */
  acceptedSeq: number;
  startSeq: number | null;
  endSeq: number | null;
}
