// Known sign-ins: those in memory, so that a sign-in that is in use costs no look-up and no write.
//
//   K1. One entry for a sign-in. It counts its ages by both clocks and believes the greater: a wall clock that is set back
//       makes no sign-in live longer.
//   K2. At the bound the one that came first leaves, but never one that is watched: it must hear of its end.
import type { Millis } from '../kernel/clock.ts';
import type { IdentifiedSignIn, IdentityRow, SignInEnd, SignInRow } from '../store/store.ts';

export interface Moment {
  /** Wall time. */
  now: Millis;
  monotonic: Millis;
}

export class KnownSignIn {
  readonly signIn: SignInRow;
  readonly identity: IdentityRow;
  /** Told once, when it ends. */
  readonly watchers = new Set<() => void>();
  #activeMonotonic: Millis;
  readonly #endsMonotonic: Millis;
  /** When its last use was written, or tried to be, by the monotonic clock. */
  writtenMonotonic: Millis;

  constructor({ signIn, identity }: IdentifiedSignIn, { now, monotonic }: Moment) {
    this.signIn = { ...signIn };
    this.identity = { ...identity };
    this.#activeMonotonic = monotonic - Math.max(0, now - signIn.lastActiveAt);
    this.#endsMonotonic = monotonic + (signIn.expiresAt - now);
    this.writtenMonotonic = this.#activeMonotonic;
  }

  /** Exactly at a bound it still lives. K1. */
  standing(at: Moment, idleMsMax: Millis): 'live' | SignInEnd {
    if (this.signIn.end !== null) return this.signIn.end;
    const { expired, idle } = this.#over(at);
    if (expired > 0) return 'expired';
    return idle > idleMsMax ? 'idle' : 'live';
  }

  /** How long until it ends when nobody uses it. */
  leftMs(at: Moment, idleMsMax: Millis): Millis {
    const { expired, idle } = this.#over(at);
    return Math.max(0, Math.min(idleMsMax - idle, -expired));
  }

  #over({ now, monotonic }: Moment): { expired: Millis; idle: Millis } {
    return {
      expired: Math.max(now - this.signIn.expiresAt, monotonic - this.#endsMonotonic),
      idle: Math.max(now - this.signIn.lastActiveAt, monotonic - this.#activeMonotonic),
    };
  }

  used({ now, monotonic }: Moment): void {
    this.signIn.lastActiveAt = Math.max(this.signIn.lastActiveAt, now);
    this.identity.lastActiveAt = Math.max(this.identity.lastActiveAt, now);
    this.#activeMonotonic = monotonic;
  }
}

export class KnownSignIns {
  readonly #max: number;
  readonly #byHash = new Map<string, KnownSignIn>();
  readonly #byId = new Map<string, KnownSignIn>();

  constructor(max: number) {
    this.#max = max;
  }

  get(hash: string): KnownSignIn | undefined {
    return this.#byHash.get(hash);
  }

  byId(id: string): KnownSignIn | undefined {
    return this.#byId.get(id);
  }

  all(): KnownSignIn[] {
    return [...this.#byHash.values()];
  }

  /** K1, K2. */
  add(entry: KnownSignIn): void {
    if (this.#byHash.size >= this.#max) this.#makeRoom();
    this.#byHash.set(entry.signIn.hash, entry);
    this.#byId.set(entry.signIn.id, entry);
  }

  remove({ signIn }: KnownSignIn): void {
    this.#byHash.delete(signIn.hash);
    this.#byId.delete(signIn.id);
  }

  #makeRoom(): void {
    for (const entry of this.#byHash.values()) {
      if (entry.watchers.size > 0) continue;
      this.remove(entry);
      return;
    }
  }
}
