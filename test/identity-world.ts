// A world of sign-ins for one test: the real store on a folder of its own, time moved by hand, and a way to make the
// store fail or wait. No server and no runtime.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createSignIns, type SignInLimits, type SignIns } from '../src/identity/identity.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { Logger } from '../src/kernel/logger.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import type { IdentityStore, Store } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

type Call = keyof IdentityStore;
/** Runs before a call reaches the store; what it throws is what the store answers. */
type Before = (call: Call) => Promise<void> | void;

export class SignInWorld {
  readonly clock = new ManualClock();
  readonly folder: string;
  readonly logged: { event: string; fields: Record<string, unknown> }[] = [];
  /** Calls that reached the store, in order. */
  readonly calls: Call[] = [];
  before: Before = () => undefined;
  /** Runs between the store's answer and whoever asked. */
  after: Before = () => undefined;
  readonly #asked = new Set<Promise<unknown>>();
  #store: Store | undefined;
  #signIns: SignIns | undefined;
  #limits: Partial<SignInLimits>;

  private constructor(limits: Partial<SignInLimits>) {
    const above = mkdtempSync(join(tmpdir(), 'sojourn-sign-ins-'));
    this.folder = join(above, 'data');
    this.#limits = limits;
    onTestFinished(async () => {
      this.before = () => undefined;
      await this.stop();
      rmSync(above, { recursive: true });
    });
  }

  static async open(limits: Partial<SignInLimits> = {}): Promise<SignInWorld> {
    const world = new SignInWorld(limits);
    await world.start();
    return world;
  }

  get signIns(): SignIns {
    if (this.#signIns === undefined) throw new Error('It is stopped');
    return this.#signIns;
  }

  get store(): IdentityStore {
    if (this.#store === undefined) throw new Error('It is stopped');
    return this.#store.identities;
  }

  async start(limits = this.#limits): Promise<void> {
    const note = (event: string, fields: Record<string, unknown> = {}): void =>
      void this.logged.push({ event, fields });
    const logger: Logger = { info: note, warn: note, error: note };
    const { folder, clock } = this;
    this.#limits = limits;
    const few = { freeBytesMin: 0, ballastBytes: 0 };
    this.#store = await sqliteStore({ folder, clock, logger, limits: few, durability: 'process-crash' });
    this.#signIns = createSignIns({ store: { identities: this.#watched() }, clock, logger, limits });
  }

  async stop(): Promise<void> {
    await this.#signIns?.close();
    await this.crash();
  }

  /** As when the process dies: nothing more is written. */
  async crash(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
    this.#signIns = undefined;
  }

  async restart(limits = this.#limits): Promise<void> {
    await this.stop();
    await this.start(limits);
  }

  /** When the store has answered all it was asked. */
  async settled(): Promise<void> {
    while (this.#asked.size > 0) await Promise.allSettled(this.#asked);
  }

  /** By a sweep that began now. */
  async swept(): Promise<void> {
    await this.signIns.sweep();
    await this.signIns.sweep();
  }

  async kind(token: string): Promise<string> {
    return (await this.signIns.validate(token)).kind;
  }

  /** The store's own answer, behind the back of what is known in memory. */
  async stored(id: string): Promise<{ lastActiveAt: number; end: string | null } | undefined> {
    const live = { activeSince: -Infinity, now: -Infinity };
    const { signIns } = await this.store.signIns({ project: 'default', limit: 200, live });
    return signIns.find(({ signIn }) => signIn.id === id)?.signIn;
  }

  #watched(): IdentityStore {
    const { store } = this;
    return new Proxy(store, {
      get: (target, name: Call) => {
        const call = target[name].bind(target) as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]) => {
          this.calls.push(name);
          await this.before(name);
          const answering = call(...args);
          this.#asked.add(answering);
          const answer = await answering.finally(() => this.#asked.delete(answering));
          await this.after(name);
          return answer;
        };
      },
    });
  }
}

export async function codeOf(run: Promise<unknown>): Promise<string> {
  try {
    await run;
  } catch (error) {
    return error instanceof SojournError ? error.code : `not an error of ours: ${String(error)}`;
  }
  return 'none';
}
