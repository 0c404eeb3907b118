// Limits: every bound of the runtime, with its default and what happens at it.
// All are settings; a runtime validates them once, when it is made.
import type { Millis } from './clock.ts';
import { SojournError } from './errors.ts';

export interface Limits {
  /** Live sessions in memory. At the bound the least recently used idle one is put away; when none is idle, `capacity`. */
  liveMax: number;
  /** Live sessions of one project; the same answer at the bound. */
  livePerProjectMax: number;
  /** Live sessions of one owner; the same answer at the bound. */
  livePerOwnerMax: number;
  /** What the conversations of live sessions hold in memory, in bytes; past it idle ones leave with reason `memory`. */
  liveBytesMax: number;
  /** A live session idle for strictly longer is put away. 0 or Infinity: never. */
  idleMsMax: Millis;
  /** How often what is due is swept. 0 or Infinity: only on access. */
  sweepMs: Millis;
  /** Opening an instance; past it the open is given up and its late result closed. */
  openMsMax: Millis;
  /** Closing an instance or a resource; past it the runtime goes on without it and says so. */
  closeMsMax: Millis;
  /** From `cancel` until an agent that ignores its signal is retired. */
  cancelMsMax: Millis;
  /** A turn's own deadline when its message names none, and the longest it may name. */
  turnMs: Millis;
  turnMsMax: Millis;
  /** Inputs waiting in one session; past it `mailbox.full`. */
  queueMax: number;
  /** Tool calls of one turn; past it the turn ends with outcome `budget`. */
  toolCallsMax: number;
  /** Attempts of one turn begun after a crash; past it the turn ends `interrupted`. */
  crashAttemptsMax: number;
  /** A question to a person closes `expired` after this. */
  requestMs: Millis;
  /** Idempotency keys are remembered this long. */
  onceMs: Millis;
  /** Larger results and attachments become files, and the log a reference. */
  inlineBytesMax: number;
  /** The same for what people and agents say: a longer text is restored whole for the agent. */
  inlineTextBytesMax: number;
  /** One artifact; past it `artifact.too_large`. */
  artifactBytesMax: number;
  /** All artifacts of one session, and of one project; past it `artifact.quota`, and a result keeps its beginning and end. */
  artifactBytesPerSessionMax: number;
  artifactBytesPerProjectMax: number;
  /** An artifact that no log refers to is removed once it is older than this. */
  artifactGraceMs: Millis;
  /** How often such artifacts are looked for. 0 or Infinity: never. */
  artifactSweepMs: Millis;
  /** The window of a working set in tokens, where its agent names none. */
  contextTokens: number;
  /** Shares of the window. Past the first old results of tools become digests, past the second old turns do, down to `contextTarget`. */
  contextMild: number;
  contextAggressive: number;
  /** Past this share nothing runs before the working set is down to `contextTarget`. */
  contextEmergency: number;
  contextTarget: number;
  /** The newest turns stay word for word, as long as they fit at all. */
  contextTurnsKept: number;
  /** One digest by a summariser; past it, and after so many tries, rules do it. */
  digestMsMax: Millis;
  digestTriesMax: number;
  /** One event's body after that; past it `log.event_too_large`. */
  eventBytesMax: number;
  /** Bytes of one session, and of all, handed to the writer and not yet durable; past it agents are not pulled. */
  inFlightBytesMax: number;
  inFlightBytesAllMax: number;
  /** One page of events: whichever comes first. */
  pageEventsMax: number;
  pageBytesMax: number;
  /** A tail's own memory before it goes back to reading the store. */
  tailEventsMax: number;
  /** New sessions of a project: a burst, then so many a minute; past it `session.limit`. */
  createBurst: number;
  createPerMinute: number;
  /** Children of children, and children of one session that are at work. */
  childDepthMax: number;
  childrenMax: number;
  /** Children at work for one owner, in all; past it `capacity`: one owner cannot fill all places. */
  childrenPerOwnerMax: number;
  /** A live child idle for strictly longer is put away, sooner where `idleMsMax` is shorter. At least 10 s; Infinity: as any session. */
  childIdleMsMax: Millis;
  /** Between two `child.progress` of one child; the newest replaces those in between. */
  progressMs: Millis;
  /** A sign-in that was not used for strictly longer is over. */
  signInIdleMsMax: Millis;
  /** A sign-in is over strictly after this, used or not. */
  signInMsMax: Millis;
  /** That a sign-in was used is written at most this often; a crash forgets what came after the last write that landed. */
  signInTouchMs: Millis;
  /** How often sign-ins that are over are swept. */
  signInSweepMs: Millis;
  /** Live sign-ins of one identity; past it `sign-in.limit`. */
  signInsPerIdentityMax: number;
  /** Identities of one project; past it `identity.limit`. */
  identitiesMax: number;
  /** Posts of one identity or session: a burst, then so many a minute; past it `timeline.limit`. */
  postBurst: number;
  postsPerMinute: number;
  /** Posts of one project; past it the oldest are pruned. Infinity: never. */
  postsMax: number;
  /** A post older than this is pruned. Infinity: never. */
  postMsMax: Millis;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
const KiB = 1_024;
const MiB = 1_024 * KiB;
const GiB = 1_024 * MiB;

export const DEFAULT_LIMITS: Readonly<Limits> = Object.freeze({
  liveMax: 1_000,
  livePerProjectMax: Infinity,
  livePerOwnerMax: Infinity,
  liveBytesMax: 512 * MiB,
  idleMsMax: 30 * MINUTE,
  sweepMs: MINUTE,
  openMsMax: 60 * SECOND,
  closeMsMax: 10 * SECOND,
  cancelMsMax: 5 * SECOND,
  turnMs: 30 * MINUTE,
  turnMsMax: DAY,
  queueMax: 100,
  toolCallsMax: 200,
  crashAttemptsMax: 3,
  requestMs: DAY,
  onceMs: 7 * DAY,
  inlineBytesMax: 8 * KiB,
  inlineTextBytesMax: 64 * KiB,
  artifactBytesMax: 64 * MiB,
  artifactBytesPerSessionMax: GiB,
  artifactBytesPerProjectMax: 10 * GiB,
  artifactGraceMs: 60 * MINUTE,
  artifactSweepMs: DAY,
  contextTokens: 200_000,
  contextMild: 0.5,
  contextAggressive: 0.85,
  contextEmergency: 0.95,
  contextTarget: 0.6,
  contextTurnsKept: 2,
  digestMsMax: 2 * MINUTE,
  digestTriesMax: 3,
  eventBytesMax: MiB,
  inFlightBytesMax: 256 * KiB,
  inFlightBytesAllMax: 16 * MiB,
  pageEventsMax: 1_000,
  pageBytesMax: MiB,
  tailEventsMax: 1_000,
  createBurst: 5_000,
  createPerMinute: 60,
  childDepthMax: 4,
  childrenMax: 16,
  childrenPerOwnerMax: 250,
  childIdleMsMax: 5 * MINUTE,
  progressMs: SECOND,
  signInIdleMsMax: 30 * MINUTE,
  signInMsMax: 12 * 60 * MINUTE,
  signInTouchMs: MINUTE,
  signInSweepMs: 5 * MINUTE,
  signInsPerIdentityMax: 1_000,
  identitiesMax: 10_000,
  postBurst: 30,
  postsPerMinute: 30,
  postsMax: 100_000,
  postMsMax: 90 * DAY,
});

/** Zero switches these off; everything else must be above zero. */
const ZERO_ALLOWED = new Set<keyof Limits>([
  'idleMsMax',
  'sweepMs',
  'queueMax',
  'childDepthMax',
  'childrenMax',
  'artifactSweepMs',
  'artifactGraceMs',
  'contextTurnsKept',
]);

/** The least of what must not be too short. */
const LEAST: Partial<Record<keyof Limits, number>> = { childIdleMsMax: 10 * SECOND };

/** Shares of one window: what comes at the one must have come before the other. */
const ASCENDING: readonly (readonly [keyof Limits, keyof Limits])[] = [
  ['contextMild', 'contextAggressive'],
  ['contextAggressive', 'contextEmergency'],
  ['contextTarget', 'contextAggressive'],
];

/** The defaults with `given` over them. Throws `config.invalid` naming the first bad one. */
export function validLimits(given: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(given) as [keyof Limits, unknown][]) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new SojournError('config.invalid', `There is no limit called ${JSON.stringify(name)}`);
    }
    const least = LEAST[name] ?? (ZERO_ALLOWED.has(name) ? 0 : Number.MIN_VALUE);
    if (value !== undefined && !(typeof value === 'number' && value >= least)) {
      const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
      throw new SojournError(
        'config.invalid',
        `Limit ${name} is ${shown}; it must be a number ${least === Number.MIN_VALUE ? 'above 0' : `of at least ${least}`}`,
      );
    }
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const limits: Limits = { ...DEFAULT_LIMITS, ...set };
  for (const [less, more] of ASCENDING) {
    if (limits[less] < limits[more]) continue;
    throw new SojournError(
      'config.invalid',
      `Limit ${less} is ${limits[less]} and ${more} is ${limits[more]}; ${less} must be below ${more}`,
    );
  }
  if (limits.contextEmergency > 1)
    throw new SojournError(
      'config.invalid',
      `Limit contextEmergency is ${limits.contextEmergency}; it must be a share of the window, at most 1`,
    );
  return Object.freeze(limits);
}
