// Event: one entry of a session's log, and the body of each kind.
//
//   E1. `seq` is gapless from 1 within a session, and the cursor everywhere.
//   E2. Readers skip kinds they do not know: new kinds may come in a minor version.
//   E3. `turn.started` voids what earlier attempts of the turn said, unless it goes on where they stopped.
import type { JsonObject } from '../kernel/json.ts';
import type { Compacted, Offloaded } from './context.ts';
import type { ArtifactRef, FilePart, Input, Part, Role } from './message.ts';
import type { Budget, Usage } from './session.ts';
import type {
  Disposition,
  HandOff,
  Outcome,
  ParentTurn,
  Policy,
  Progress,
  TurnError,
  TurnKind,
} from './turn.ts';

export interface EventBodies {
  'session.created': {
    agent: string;
    owner: string | null;
    channel: string | null;
    parent: string | null;
    forkedFrom?: { session: string; seq: number };
    /** It began as a log of another agent, of this format. */
    importedFrom?: { format: string };
  };
  'session.remade': { reason: string; generation: number; error?: string };
  'session.evicted': { reason: EvictReason };
  'session.closed': { reason: string };
  'turn.accepted': {
    input: Input;
    policy: Policy;
    disposition: Disposition;
    kind: TurnKind;
    author: string | null;
    channel: string | null;
    deadlineMs?: number;
    budget?: Budget;
    metadata?: JsonObject;
    /** False: nobody can answer what this turn asks. */
    canAsk?: false;
    /** On `interrupt` and `rollback`: the turn they end. */
    stopped?: string;
    /** A turn of this session's parent asked for it. */
    parent?: ParentTurn;
  };
  'turn.started': { attempt: number; goesOn?: true };
  /** The running turn took an input that was offered to it. */
  'turn.steered': { input: Input };
  /** An offered input that was not taken: it is now the input of `turn`. */
  'turn.requeued': { input: Input; turn: string };
  /** That turn is hidden from the working set, from counts and from forks. */
  'turn.dropped': { turn: string };
  'turn.ended': {
    outcome: Outcome;
    text: string;
    /** Set where `text` is only the preview. */
    ref?: ArtifactRef;
    error?: TurnError;
    sessionCompleted?: true;
    handOff?: HandOff;
    usage: Usage;
    costUsd: number;
  };
  'text.delta': { text: string; message: string };
  'reasoning.delta': { text: string; message: string };
  message: { message: string; role: Role; parts: readonly Part[]; partial?: true };
  /** With `ref`, which is JSON, `input` is only a short form of it. */
  'tool.called': { call: string; name: string; input: unknown; ref?: ArtifactRef };
  'tool.progress': { call: string; message?: string; percent?: number; data?: unknown };
  /** Either `output` or the members of a reference. `unknown`: it ended between call and result, so nobody knows what happened. */
  'tool.returned': {
    call: string;
    output?: unknown;
    isError: boolean;
    unknown?: true;
  } & Partial<ArtifactRef>;
  'request.opened': {
    request: string;
    kind: 'question' | 'approval';
    key: string;
    text: string;
    /** `input` is the preview where `ref` is set: the exact one is read there. `inputHash` is of the exact one. */
    tool?: { call: string; name: string; input: unknown; inputHash: string; ref?: ArtifactRef };
    options?: readonly string[];
    expiresAt: string;
  };
  'request.closed': {
    request: string;
    decision: 'allow' | 'deny' | 'expired' | 'void';
    answer?: string;
    remember?: boolean;
    by: string | null;
  };
  /** Once for each turn of a child. `budget` is what was reserved for it: the rest comes back with `child.ended`. */
  'child.started': {
    session: string;
    key: string;
    agent: string;
    turn: string;
    spawn: string;
    budget?: Budget;
  };
  /** At a bounded rate: the newest stands for those before it. */
  'child.progress': Progress & { session: string; turnNumber: number; elapsedMs: number };
  'child.ended': {
    session: string;
    turn: string;
    outcome: Outcome;
    text: string;
    /** Set where `text` is only the preview. */
    ref?: ArtifactRef;
    error?: TurnError;
    usage: Usage;
    costUsd: number;
    sessionCompleted?: true;
    images?: readonly FilePart[];
    handOff?: HandOff;
  };
  /** `unpriced`: no price of that model is known, and no budget in dollars counts it. */
  usage: Usage & { costUsd: number; model?: string; unpriced?: true };
  'context.offloaded': Offloaded;
  /** From here on the digests stand for what they name; `turn` is null. */
  'context.compacted': Compacted;
  'log.pruned': { from: number; to: number; message: string };
  /** With `ref`, which is JSON, `data` is only a short form of it. */
  custom: { name: string; data: unknown; ref?: ArtifactRef };
}

export type EventKind = keyof EventBodies;

export type EvictReason =
  | 'idle'
  | 'capacity'
  | 'memory'
  | 'closed'
  | 'remade'
  | 'deadline'
  | 'shutdown'
  | 'error';

/** `at` is RFC 3339 UTC; `turn` is null for what belongs to no turn. */
export type Event = {
  [Kind in EventKind]: { seq: number; at: string; kind: Kind; turn: string | null; body: EventBodies[Kind] };
}[EventKind];
