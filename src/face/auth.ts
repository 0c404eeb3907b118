// Auth: from a bearer secret to a caller, and the brake on guessing.
//
//   A1. A secret is known here only for the length of a call; tables hold its SHA-256.
//   A2. Failures are counted per address and per credential, loopback included: past `failuresMax` in a minute the
//       answer is `auth.throttled` instead of `auth.required`, and a credential that is itself over the bound is
//       not looked up again.
//   A3. A valid credential always passes, whatever its neighbours do: on loopback every program shares one address,
//       and one with an old token must not shut out the rest. Guessing is hopeless by itself (256 random bits).
//   A4. No credential at all is refused but not counted: it guesses nothing.
//   A5. A store that cannot answer is an error, never a "no": it throws through and is not counted.
import { hash } from 'node:crypto';
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { RuntimeCalls } from '../runtime/runtime.ts';
import type { Caller } from '../wire/access.ts';

export interface AuthLimits {
  /** Wrong credentials in a minute, of one address and of one credential. Default 10. */
  failuresMax: number;
}

const WINDOW_MS: Millis = 60_000;
/** Addresses and credentials remembered; the oldest is forgotten. */
const REMEMBERED_MAX = 10_000;

export class Auth {
  readonly #runtime: Pick<RuntimeCalls, 'authenticate' | 'projects'>;
  readonly #failures: Failures;

  constructor(
    runtime: Pick<RuntimeCalls, 'authenticate' | 'projects'>,
    clock: Pick<Clock, 'monotonic'>,
    limits: AuthLimits,
  ) {
    this.#runtime = runtime;
    this.#failures = new Failures(clock, limits.failuresMax);
  }

  /** `address` is the peer's; `project` what an admin asks to act in. Throws `auth.*`, `project.not_found`. */
  async caller(secret: string | null, address: string, project?: string): Promise<Caller> {
    if (secret === null) throw new SojournError('auth.required', 'The call carries no bearer token');
    if (this.#failures.any) {
      const credential = credentialOf(secret);
      if (this.#failures.waitMs(credential) > 0) throw this.#refusal(credential);
    }

    const caller = await this.#runtime.authenticate(secret);
    if (caller !== null) return project === undefined ? caller : this.#within(project, caller);

    const credential = credentialOf(secret);
    const origin = `address ${address}`;
    const refusal = this.#refusal(origin);
    this.#failures.add(origin);
    this.#failures.add(credential);
    throw refusal;
  }

  async #within(project: string, caller: Caller): Promise<Caller> {
    if (project === caller.project) return caller;
    if (!caller.scopes.has('admin')) {
      throw new SojournError('auth.scope', 'Acting in another project needs scope admin');
    }
    const projects = await this.#runtime.projects(caller);
    if (!projects.some(({ name }) => name === project)) {
      throw new SojournError('project.not_found', 'There is no project of the name in Sojourn-Project');
    }
    return { ...caller, project };
  }

  #refusal(counted: string): SojournError {
    const retryAfterMs = this.#failures.waitMs(counted);
    if (retryAfterMs === 0)
      return new SojournError('auth.required', 'The token is unknown, revoked or expired');
    return new SojournError('auth.throttled', 'Too many wrong tokens in a minute', { retryAfterMs });
  }
}

/** `Authorization: Bearer x` gives x; null for anything else. */
export function bearerOf(header: string | undefined): string | null {
  if (header === undefined || header.length < 8 || header.length > 4_096) return null;
  if (header.slice(0, 7).toLowerCase() !== 'bearer ') return null;
  return header.slice(7).trim() || null;
}

/** A1 */
function credentialOf(secret: string): string {
  return `credential ${hash('sha256', secret, 'base64')}`;
}

class Failures {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #max: number;
  /** Insertion order is the order of `endsMs`. */
  readonly #windows = new Map<string, { count: number; endsMs: Millis }>();

  constructor(clock: Pick<Clock, 'monotonic'>, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get any(): boolean {
    return this.#windows.size > 0;
  }

  /** 0 while it is below the bound. */
  waitMs(name: string): Millis {
    const window = this.#windows.get(name);
    if (window === undefined || window.count < this.#max) return 0;
    return Math.max(0, window.endsMs - this.#clock.monotonic());
  }

  /** A window that is full is not extended, so that trying on does not lock for ever. */
  add(name: string): void {
    const now = this.#clock.monotonic();
    for (const [other, window] of this.#windows) {
      if (window.endsMs > now && this.#windows.size <= REMEMBERED_MAX) break;
      this.#windows.delete(other);
    }
    const window = this.#windows.get(name);
    if (window === undefined) this.#windows.set(name, { count: 1, endsMs: now + WINDOW_MS });
    else window.count++;
  }
}
