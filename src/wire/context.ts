// Context: what left a session's working set, how it is read back, and what a caller sees of it.
import type { Usage } from './session.ts';

/**
 * What was moved out, by name. `artifact:HEX` is a file, `log:SEQ` what one event says, `log:FROM-TO` a stretch of the
 * log, both ends included.
 */
export type Ref = string;

/** In the append that carries the reference, ahead of the event that does. */
export interface Offloaded {
  /** The SHA-256 of the bytes, in hex. */
  artifact: string;
  bytes: number;
  mediaType: string;
  /** The kind of the event that carries the reference. */
  from: string;
  /** Where a tool gave it. */
  call?: string;
  /** About what the whole would take of a prompt, and what stands for it takes. */
  tokens: number;
  shownTokens: number;
  /** What `read_back` takes. */
  ref: Ref;
}

/** How near to its window a working set is: past `contextMild`, `contextAggressive` and `contextEmergency` of it. */
export type Pressure = 'none' | 'mild' | 'aggressive' | 'emergency';

/** What stands for a stretch of the log in the working set from then on. */
export interface Digest {
  /** `calls`: what tools were given and returned, in turns that stay. `turns`: whole turns, and the digests before them. */
  kind: 'calls' | 'turns';
  /** The events it stands for, both ends included. */
  from: number;
  to: number;
  ref: Ref;
  turns: readonly string[];
  /** Of kind `calls`: exactly these, each with what stands for its result. */
  calls?: readonly { turn: string; call: string; ref: Ref; text: string }[];
  /** Of kind `turns`. */
  text?: string;
  tokensBefore: number;
  tokensAfter: number;
}

export interface Compacted {
  pressure: Exclude<Pressure, 'none'>;
  /** `rules`, or the name of the summariser. */
  by: string;
  /** Why rules stood in for the summariser. */
  instead?: string;
  windowTokens: number;
  /** Of the whole working set. */
  tokensBefore: number;
  tokensAfter: number;
  digests: readonly Digest[];
  /** What the summariser used. It is on the session's bill. */
  usage?: Usage;
  costUsd?: number;
  model?: string;
}

export interface TaskView {
  /** The turn it began with. */
  id: string;
  /** The beginning of what was asked. */
  title: string;
  /** `open`: it is being worked on, or its last turn did not complete. */
  state: 'open' | 'done';
  turns: number;
  /** How often each tool was called, the most often first. */
  tools: readonly { name: string; calls: number }[];
  /** Session ids. */
  children: readonly string[];
  ref: Ref;
  /** RFC 3339, UTC. */
  startedAt: string;
  endedAt: string | null;
}

/** A digest, or a turn as the next one sees it. */
export interface ContextEntry {
  kind: 'digest' | 'turn';
  turn: string | null;
  ref: Ref;
  messages: number;
  tokens: number;
  /** Those of `tokens` that calls of tools and their results take. */
  callTokens: number;
  /** Calls whose results are digested, and results that are shown by reference. */
  digested: number;
  offloaded: number;
  /** The beginning of what it says. */
  text: string;
}

/** `GET /v1/sessions/{key}/context`: what the next turn would see, and what it takes. */
export interface ContextView {
  /** The session's id, and the event up to which this holds. */
  session: string;
  seq: number;
  windowTokens: number;
  /** What the prompt has besides, as the provider's figures tell: instructions and tools. 0 until they are known. */
  overheadTokens: number;
  /** Of the entries. */
  tokens: number;
  pressure: Pressure;
  /** Shares of the window past which pressure is `mild`, `aggressive` and `emergency`. */
  marks: { mild: number; aggressive: number; emergency: number };
  /** Its agent keeps the conversation itself: there are no entries, and nothing is measured. */
  ownsHistory?: true;
  /** How tokens are counted: for a family of models (`openai`, `claude`, `other`), or `estimate` while some of it is guessed. */
  counting: string;
  /** Oldest first. */
  entries: readonly ContextEntry[];
  calls: {
    pending: readonly { turn: string; call: string; name: string }[];
    returned: number;
    digested: number;
  };
  artifacts: { count: number; bytes: number };
  /** Since the session began. */
  compactions: { count: number; tokensSaved: number; lastSeq: number | null };
  /** The newest; `earlierTasks` came before them. */
  tasks: readonly TaskView[];
  earlierTasks: number;
}

/** One way of reading at most; without one it begins at the start. */
export interface ReadBackCall {
  /** Left out only with `search`: then in all that was moved out of this session, newest first. */
  ref?: Ref;
  /** From 0; `to` is exclusive. With `path`: of what it found. */
  bytes?: { from: number; to?: number };
  /** From 1; `to` is inclusive. */
  lines?: { from: number; to?: number };
  /** So many lines. */
  head?: number;
  tail?: number;
  /** Lines that match, with so many around each. */
  search?: ReadBackSearch;
  /** JSONPath, RFC 9535: each value it finds is a line of JSON. */
  path?: string;
}

export interface ReadBackSearch {
  /** A regular expression in RE2's syntax: without backreferences and lookarounds. */
  pattern: string;
  ignoreCase?: boolean;
  around?: number;
  fromLine?: number;
  /** Where the one before stopped, as its `next` says. */
  fromByte?: number;
  fromRef?: Ref;
}

export interface ReadBack {
  /** Null where all that was moved out was searched. */
  ref: Ref | null;
  mediaType: string;
  /** Of the whole; null for a stretch of the log, which is read no further than it is asked for. */
  bytes: number | null;
  /** Fits below `inlineBytesMax`, so that it is never moved out again. */
  text: string;
  /** The bytes that `text` is, exactly: all of them from the first to the last `next` are the whole. Absent for what was searched for. */
  range?: { from: number; to: number };
  /** `text` is bytes that are no UTF-8. */
  encoding?: 'base64';
  /** How many lines were found. */
  matches?: number;
  /** The call that goes on where this one stopped; absent at the end. */
  next?: ReadBackCall;
}
