// SignIns: who may speak, proven by a bearer secret. Works on a store alone: no server and no sessions are needed.
//
//   P1. A sign-in's age is judged by what is stored, before its use moves anything; what is over is ended in the store,
//       so that neither a restart nor another setting brings it back.
//   P2. Nothing is answered before it is durable, but for the time of last use, which is written now and then (touches.ts):
//       a validation of a sign-in that is known reads and writes nothing.
//   P3. A store that cannot answer throws `store.*`; it never counts as "no".
//   P4. Whoever watches a sign-in hears once that it ended, before the call that ended it resolves.
//   P5. A secret is known here for the length of a call only, and what is handed out are copies.
import { type Clock, systemClock, type Millis, type Timer } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { type Ids, systemIds } from '../kernel/ids.ts';
import { validLimits } from '../kernel/limits.ts';
import { type Logger, silentLogger } from '../kernel/logger.ts';
import { hashOf, isSecret, mintSecret } from '../kernel/secret.ts';
import type { IdentifiedSignIn, IdentityRow, IdentityStore, LiveBounds, SignInEnd } from '../store/store.ts';
import type {
  IdentityQuery,
  IdentityView,
  NewSignInView,
  SignInCall,
  SignInCheck,
  SignInQuery,
  SignInView,
} from '../wire/identity.ts';
import { guarded } from './guarded.ts';
import { KnownSignIn, KnownSignIns, type Moment } from './known.ts';
import { identityName } from './name.ts';
import { lapseError } from './lapse.ts';
import { pageLimit } from './page.ts';
import type { SignInEnded, SignInLimits, SignInsOptions, Signer } from './sign-in-options.ts';
import { Touches } from './touches.ts';
import { identityView, signInView } from './views.ts';
import { watchKnown, watchLater, type Watching } from './watch.ts';

/** What a sign-in's secret begins with. */
export const SIGN_IN_PREFIX = 'soj_in_';
const KNOWN_MAX = 10_000;
const SWEPT_AT_ONCE = 1_000;
/** What ended is remembered so long, so that who comes back with it is told why. */
const KEPT_MS: Millis = 24 * 60 * 60_000;
const LAST_MS: Millis = Date.UTC(9999, 11, 31);

/** Sweeps from now on; `close` ends that and writes what is left. Throws `config.invalid`. */
export function createSignIns(options: SignInsOptions): SignIns {
  const signIns = new SignIns(options);
  signIns.start();
  return signIns;
}

export class SignIns {
  readonly #store: IdentityStore;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #logger: Logger;
  readonly #limits: SignInLimits;
  readonly #known = new KnownSignIns(KNOWN_MAX);
  readonly #touches: Touches;
  readonly #watching: Watching;
  readonly #listeners = new Set<(ended: SignInEnded) => void>();
  /** Grows with every end: what was looked up meanwhile is looked up again. */
  #ends = 0;
  /** Those whose time came, by id, until that is written (P1). */
  readonly #lapsing = new Map<string, { entry: KnownSignIn; written: Promise<void> }>();
  #sweeping: Promise<void> | undefined;
  #state: { kind: 'new' } | { kind: 'open'; timer: Timer } | { kind: 'closed' } = { kind: 'new' };

  /** Does nothing by itself; use `createSignIns`. */
  constructor(options: SignInsOptions) {
    const { store, clock = systemClock, ids = systemIds, logger = silentLogger } = options;
    this.#store = guarded(store.identities);
    this.#clock = clock;
    this.#ids = ids;
    this.#logger = logger;
    this.#limits = validLimits(options.limits);
    this.#watching = {
      clock,
      idleMsMax: this.#limits.signInIdleMsMax,
      moment: () => this.#moment(),
      lapse: (entry, why) => this.#lapse(entry, why),
    };
    this.#touches = new Touches(this.#store, logger, this.#limits.signInTouchMs);
  }

  /** Idempotent. */
  start(): void {
    if (this.#state.kind === 'new') this.#sweepLater();
  }

  /** Finds or makes the identity. Throws `input.invalid`, `identity.claimed`, `identity.limit`, `sign-in.limit`. P2. */
  async signIn(call: SignInCall, by: Signer = {}): Promise<NewSignInView> {
    const { project = 'default', owner = null, token = null } = by;
    const { displayName: _display, ...name } = identityName(call);
    const claim = call.claim === true;
    if (claim && owner === null)
      throw new SojournError('input.invalid', 'At "/claim": only who has an owner can claim an identity');
    const secret = mintSecret(SIGN_IN_PREFIX, this.#ids);
    const { now } = this.#moment();
    const { signInMsMax, signInIdleMsMax, signInsPerIdentityMax, identitiesMax } = this.#limits;
    const expiresAt = Math.min(now + signInMsMax, LAST_MS);
    const ends = this.#ends;
    const { ended, ...made } = await this.#store.signIn({
      identity: { id: this.#ids.id(), project, ...name },
      signIn: { id: this.#ids.id(), hash: hashOf(secret), owner, token, expiresAt },
      claim,
      at: now,
      live: this.#live(),
      identitiesMax,
      signInsMax: signInsPerIdentityMax,
    });
    if (ends === this.#ends) this.#known.add(new KnownSignIn(made, this.#moment()));
    if (claim) this.#given(made.identity);
    this.#tell(ended, 'claimed');
    return { ...signInView(made), token: secret, idleMsMax: signInIdleMsMax };
  }

  /** P1. Also counts as a use. Never throws for a token that does not count; P3. */
  async validate(token: string): Promise<SignInCheck> {
    if (!isSecret(SIGN_IN_PREFIX, token)) return { kind: 'unknown' };
    const hash = hashOf(token);
    const entry = this.#known.get(hash) ?? (await this.#find((store) => store.byHash(hash)));
    if (entry === undefined) return { kind: 'unknown' };
    const at = this.#moment();
    const standing = entry.standing(at, this.#limits.signInIdleMsMax);
    if (standing !== 'live') {
      if (entry.signIn.end === null) this.#lapse(entry, standing);
      return { kind: standing };
    }
    entry.used(at);
    this.#touches.used(entry, at);
    return { kind: 'live', signIn: signInView(entry) };
  }

  /** As `validate`, for who cannot go on without. Throws `sign-in.unknown`, `sign-in.expired`, `sign-in.ended`. */
  async speaker(token: string): Promise<SignInView> {
    const check = await this.validate(token);
    if (check.kind === 'live') return check.signIn;
    throw lapseError(check.kind);
  }

  /** Everywhere and for good, once it resolves. False: it was over already, or never there. */
  async signOut(token: string): Promise<boolean> {
    if (!isSecret(SIGN_IN_PREFIX, token)) return false;
    const row = await this.#store.byHash(hashOf(token));
    return row !== null && this.end(row.signIn.project, row.signIn.id);
  }

  /** False: the project has no live sign-in of this id. */
  async end(project: string, id: string): Promise<boolean> {
    const why = 'signed-out';
    const isEnded = await this.#store.end(project, id, why, this.#moment().now);
    if (isEnded) this.#tell([id], why);
    return isEnded;
  }

  /** The store has ended them with their tokens, or removed them with their project. */
  revoked(gone: { project?: string; tokens: readonly string[] }): void {
    this.#ends += 1;
    const known = this.#known
      .all()
      .filter(({ signIn }) => signIn.project === gone.project || gone.tokens.includes(signIn.token ?? ''));
    this.#tell(
      known.map(({ signIn }) => signIn.id),
      'revoked',
    );
  }

  /** Live ones, newest first, without their secrets. */
  async list(
    project = 'default',
    query: SignInQuery = {},
  ): Promise<{ signIns: SignInView[]; nextCursor: string | null }> {
    const limit = pageLimit(query.limit);
    await this.#touches.flush();
    const page = await this.#store.signIns({ ...query, project, limit, live: this.#live() });
    return { signIns: page.signIns.map(signInView), nextCursor: page.nextCursor };
  }

  /** Live ones of a project, or of all. */
  async count(project: string | null = null): Promise<number> {
    await this.#touches.flush();
    return this.#store.countLive(project, this.#live());
  }

  async identity(project: string, id: string): Promise<IdentityView | null> {
    const row = await this.#store.identity(project, id);
    return row === null ? null : identityView(row);
  }

  /** By name and context, in whatever spelling. Throws `input.invalid`. */
  async find(project: string, name: { name: string; context?: string }): Promise<IdentityView | null> {
    const row = await this.#store.identityByKey(project, identityName(name).key);
    return row === null ? null : identityView(row);
  }

  /** Newest first. */
  async identities(
    project = 'default',
    query: IdentityQuery = {},
  ): Promise<{ identities: IdentityView[]; nextCursor: string | null }> {
    const limit = pageLimit(query.limit);
    const page = await this.#store.identities({ ...query, project, limit });
    return { identities: page.identities.map(identityView), nextCursor: page.nextCursor };
  }

  /** Who alone may speak as it from now on; sign-ins of others end. Throws `identity.not_found`. */
  async setOwner(project: string, id: string, owner: string | null): Promise<IdentityView> {
    const done = await this.#store.setOwner(project, id, owner, this.#moment().now);
    if (done === null) throw noIdentity(id);
    this.#given(done.identity);
    this.#tell(done.ended, 'claimed');
    return identityView(done.identity);
  }

  /** With its sign-ins; what it posted stays. Throws `identity.not_found`. */
  async removeIdentity(project: string, id: string): Promise<void> {
    const ended = await this.#store.removeIdentity(project, id);
    if (ended === null) throw noIdentity(id);
    this.#tell(ended, 'revoked');
  }

  /** Those in memory hear whose it is. */
  #given({ id, owner }: IdentityRow): void {
    for (const { identity } of this.#known.all()) if (identity.id === id) identity.owner = owner;
  }

  /** Called for every sign-in that ends, until the returned call is made. What it throws is logged. */
  onEnd(listener: (ended: SignInEnded) => void): () => void {
    const own = (ended: SignInEnded): void => listener(ended);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Calls `ended` once when this sign-in ends, also by time; soon where it has already, or cannot be looked up. P4. */
  watch(id: string, ended: () => void): () => void {
    const safely = (): void => this.#safely(ended);
    const entry = this.#known.byId(id);
    if (entry !== undefined) return watchKnown(entry, this.#watching, safely);
    const finding = this.#find((store) => store.byId(id));
    return watchLater(
      finding.then((found) => (found?.signIn.end === null ? found : undefined)),
      this.#watching,
      safely,
    );
  }

  /** Ends what is due, forgets what ended long ago. Callers at the same time share one sweep. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = undefined));
    return this.#sweeping;
  }

  /** Writes what is left. Idempotent. */
  async close(): Promise<void> {
    if (this.#state.kind === 'open') this.#state.timer.cancel();
    this.#state = { kind: 'closed' };
    await this.#sweeping?.catch(() => undefined); // Its caller hears of it.
    await this.#touches.flush();
    await Promise.all([...this.#lapsing.values()].map(({ written }) => written));
  }

  #sweepLater(): void {
    const timer = this.#clock.after(this.#limits.signInSweepMs, () => {
      const done = this.sweep().catch((error: unknown) =>
        this.#logger.warn('sign-in.sweep_failed', { error }),
      );
      void done.then(() => this.#state.kind === 'open' && this.#sweepLater()); // Never rejects.
    });
    this.#state = { kind: 'open', timer };
  }

  async #sweep(): Promise<void> {
    const at = this.#moment();
    for (const entry of this.#known.all()) {
      const standing = entry.standing(at, this.#limits.signInIdleMsMax);
      if (standing !== 'live') this.#lapse(entry, standing);
    }
    await this.#touches.flush();
    // What is in use may have been written a while ago: only `validate` judges to the millisecond.
    const { activeSince, now } = this.#live();
    const due = { activeSince: activeSince - this.#limits.signInTouchMs, now };
    for (let count = SWEPT_AT_ONCE; count === SWEPT_AT_ONCE;) {
      const { expired, idle } = await this.#store.endDue(due, SWEPT_AT_ONCE);
      count = expired.length + idle.length;
      this.#tell(expired, 'expired');
      this.#tell(idle, 'idle');
    }
    for (let count = SWEPT_AT_ONCE; count === SWEPT_AT_ONCE;) {
      count = await this.#store.forget(now - KEPT_MS, SWEPT_AT_ONCE);
    }
  }

  /** Its time has come: over at once here, and in the store as soon as it can be written (P1). */
  #lapse(entry: KnownSignIn, why: SignInEnd): void {
    const { project, id } = entry.signIn;
    this.#tell([id], why);
    const written = this.#store.end(project, id, why, this.#moment().now).then(
      () => undefined,
      (error: unknown) => this.#logger.warn('sign-in.end_failed', { signIn: id, error }),
    );
    this.#lapsing.set(id, { entry, written });
    const forget = (): void => {
      this.#ends += 1;
      this.#lapsing.delete(id);
    };
    void written.then(forget); // Never rejects.
  }

  /** P4. */
  #tell(ids: readonly string[], why: SignInEnd): void {
    if (ids.length > 0) this.#ends += 1;
    for (const id of ids) {
      const entry = this.#known.byId(id);
      if (entry !== undefined) {
        entry.signIn.end = why;
        this.#known.remove(entry);
        this.#touches.forget(entry);
      }
      const told = [
        ...(entry?.watchers ?? []),
        ...[...this.#listeners].map((tell) => () => tell({ signIn: id, why })),
      ];
      for (const tell of told) this.#safely(tell);
    }
  }

  #safely(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#logger.error('sign-in.listener_failed', { error });
    }
  }

  /** Shared with all who know it. One that is over is not kept. */
  async #find(
    look: (store: IdentityStore) => Promise<IdentifiedSignIn | null>,
  ): Promise<KnownSignIn | undefined> {
    for (;;) {
      const ends = this.#ends;
      const row = await look(this.#store);
      if (row === null) return undefined;
      const shared = this.#known.byId(row.signIn.id) ?? this.#lapsing.get(row.signIn.id)?.entry;
      if (shared !== undefined) return shared;
      if (ends !== this.#ends) continue;
      const entry = new KnownSignIn(row, this.#moment());
      if (row.signIn.end === null) this.#known.add(entry);
      return entry;
    }
  }

  #moment(): Moment {
    return { now: this.#clock.now(), monotonic: this.#clock.monotonic() };
  }

  #live(): LiveBounds {
    const { now } = this.#moment();
    return { activeSince: now - this.#limits.signInIdleMsMax, now };
  }
}

const noIdentity = (id: string): SojournError =>
  new SojournError('identity.not_found', `No identity ${id.slice(0, 64)}`);
