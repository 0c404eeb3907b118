// Trial: a store on a folder of its own, and the small things every test of a store needs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SojournError } from '../../kernel/errors.ts';
import type {
  Append,
  Appended,
  Epoch,
  NewEvent,
  NewSession,
  Seq,
  SessionNum,
  Store,
  StoredEvent,
} from '../../store/store.ts';
import { ManualClock } from '../manual-clock.ts';
import type { OpenStore } from '../store-conformance.ts';

/** A session as its owner knows it. */
export interface Owned {
  num: SessionNum;
  epoch: Epoch;
}

const EVERYTHING = { eventsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER };

export class Trial {
  readonly clock: ManualClock;
  readonly folder: string;
  readonly #open: OpenStore;
  #store: Store;

  private constructor(folder: string, open: OpenStore, store: Store, clock: ManualClock) {
    this.folder = folder;
    this.clock = clock;
    this.#open = open;
    this.#store = store;
  }

  /** Runs `body` on a new store, and leaves nothing behind. */
  static run(open: OpenStore, body: (trial: Trial) => Promise<void>): () => Promise<void> {
    return async () => {
      const above = await mkdtemp(join(tmpdir(), 'sojourn-store-'));
      const folder = join(above, 'store');
      const clock = new ManualClock();
      const trial = new Trial(folder, open, await open(folder, clock), clock);
      try {
        await body(trial);
      } finally {
        await trial.store.close();
        await rm(above, { recursive: true, force: true });
      }
    };
  }

  get store(): Store {
    return this.#store;
  }

  async reopen(): Promise<void> {
    await this.#store.close();
    this.#store = await this.#open(this.folder, this.clock);
  }

  /** Another store, on a folder that was copied from this one. */
  async openCopy(folder: string): Promise<Store> {
    return this.#open(folder, this.clock);
  }

  session(key: string, more: Partial<NewSession> = {}): NewSession {
    return newSession(key, { at: this.clock.now(), ...more });
  }

  append(append: Append): Promise<Appended> {
    return this.#store.append(() => append);
  }

  /** Throws where it was not appended. */
  async write(append: Append): Promise<Extract<Appended, { kind: 'appended' }>> {
    const done = await this.append(append);
    if (done.kind !== 'appended') throw new Error(`it was not appended: ${done.kind}`);
    return done;
  }

  async make(key: string, more: Partial<NewSession> = {}, texts: readonly string[] = []): Promise<Owned> {
    const { num, epoch } = await this.write({
      session: this.session(key, more),
      epoch: 0,
      events: texts.map((text) => event(text)),
    });
    return { num, epoch };
  }

  /** One append with an event for each text. */
  async say(owned: Owned, ...texts: string[]): Promise<Seq> {
    const { headSeq } = await this.write({
      session: owned.num,
      epoch: owned.epoch,
      events: texts.map((text) => event(text)),
    });
    return headSeq;
  }

  log(num: SessionNum): Promise<readonly StoredEvent[]> {
    return this.#store.read(num, 0, EVERYTHING);
  }

  /** The texts of a log, in order. Throws where its numbers have a gap. */
  async texts(num: SessionNum): Promise<string[]> {
    const events = await this.log(num);
    return events.map(({ seq, body }, index) => {
      if (seq !== index + 1) throw new Error(`event ${index + 1} has seq ${seq}`);
      return String(JSON.parse(body));
    });
  }
}

export function newSession(key: string, more: Partial<NewSession> = {}): NewSession {
  return {
    id: `id of ${key}`,
    project: 'default',
    key,
    agent: 'echo',
    owner: null,
    maker: null,
    channel: null,
    parent: null,
    title: null,
    summary: null,
    labels: [],
    metadata: '{}',
    budget: '{}',
    at: 1,
    ...more,
  };
}

export function event(text: string, more: Partial<NewEvent> = {}): NewEvent {
  return { at: 1, kind: 'said', turn: null, body: JSON.stringify(text), ...more };
}

/** The code a promise rejects with; `none` where it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof SojournError) return error.code;
    throw error;
  }
}

/** The numbers from `from` to `to`, as texts. */
export function texts(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}
