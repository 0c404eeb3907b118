// A session in memory with artifacts and events laid into it, and reading back from it.
import { createHash } from 'node:crypto';
import { ReadingBack } from '../src/context/read-back.ts';
import { type Clock, systemClock } from '../src/kernel/clock.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import type { NewEvent, SessionNum } from '../src/store/store.ts';
import type { ReadBack, ReadBackCall, Ref } from '../src/wire/context.ts';
import type { EventBodies, EventKind } from '../src/wire/event.ts';
import { newSession } from './store-folder.ts';

export type Said = { [Kind in EventKind]: { kind: Kind; body: EventBodies[Kind] } }[EventKind];

export class Scene {
  readonly store: MemoryStore;
  readonly num: SessionNum;
  readonly project: string;
  readonly reading: ReadingBack;
  #at = 0;

  constructor(store: MemoryStore, num: SessionNum, project: string, options: SceneOptions) {
    const { inlineBytesMax = 8_192, clock = new ManualClock() } = options;
    this.store = store;
    this.num = num;
    this.project = project;
    this.reading = new ReadingBack({ store, files: store.files, clock, limits: { inlineBytesMax } });
  }

  /** Answers the seq of the last. */
  async log(events: readonly Said[]): Promise<number> {
    const drafts = events.map(({ kind, body }): NewEvent => ({
      at: 1,
      kind,
      turn: 't1',
      body: JSON.stringify(body),
    }));
    const done = await this.store.append(() => ({ session: this.num, epoch: 1, events: drafts }));
    if (done.kind !== 'appended') throw new Error('it was not appended');
    return done.headSeq;
  }

  /** A file that this session's log refers to. */
  async artifact(bytes: string | Uint8Array, mediaType = 'text/plain; charset=utf-8'): Promise<Ref> {
    const content = typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes);
    const digest = await this.store.files.put(this.project, content);
    this.#at += 1;
    const row = { digest, bytes: content.byteLength, mediaType, name: null, at: this.#at };
    await this.store.append(() => ({ session: this.num, epoch: 1, events: [], artifacts: [row] }));
    return `artifact:${digest}`;
  }

  read(call: ReadBackCall): Promise<ReadBack> {
    return this.reading.read({ num: this.num, project: this.project }, call);
  }

  /** From `next` to `next`: all bytes, and how many calls it took. */
  async walk(call: ReadBackCall): Promise<{ bytes: Buffer; calls: number }> {
    const pieces: Buffer[] = [];
    let next: ReadBackCall | undefined = call;
    while (next !== undefined) {
      const { text, encoding, next: on }: ReadBack = await this.read(next);
      pieces.push(Buffer.from(text, encoding ?? 'utf8'));
      next = on;
    }
    return { bytes: Buffer.concat(pieces), calls: pieces.length };
  }
}

export interface SceneOptions {
  store?: MemoryStore;
  project?: string;
  key?: string;
  inlineBytesMax?: number;
  /** What searches are timed by. @default one that stands still */
  clock?: Clock;
}

export async function scene(options: SceneOptions = {}): Promise<Scene> {
  const { project = 'default', key = 'a' } = options;
  const store = options.store ?? new MemoryStore({ clock: systemClock });
  const session = newSession(key, { id: `${project}-${key}`, project });
  const made = await store.append(() => ({ session, epoch: 0, events: [] }));
  if (made.kind !== 'appended') throw new Error('the session is there already');
  return new Scene(store, made.num, project, options);
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
