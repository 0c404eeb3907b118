// Store: what the event store does in a second, beside the bare commits of the same tables.
//
// Closed loop: each session appends, waits until that is durable, and appends again. The raw figure is one thread that
// writes the rows of as many sessions in one FULL transaction, with the fence and nothing else: no checksums, no queue,
// no other thread. A ratio of 1 would mean that the store costs nothing.
import { DatabaseSync } from 'node:sqlite';
import type { Line } from '../results.ts';
import type { NewEvent, Store } from '../../src/store/store.ts';
import { median } from '../sample.ts';
import { newSession, openStore } from './open-store.ts';

const SHAPES = [
  { sessions: 1, batch: 1 },
  { sessions: 32, batch: 1 },
  { sessions: 256, batch: 1 },
  { sessions: 1, batch: 20 },
  { sessions: 32, batch: 20 },
  { sessions: 256, batch: 20 },
];
const BODY = JSON.stringify({ text: 'a delta of about thirty bytes, ', message: 'm1' });
const REPLAY_BATCH = 200;

interface Shape {
  sessions: number;
  batch: number;
}

export async function storeBench(folder: string, quick: boolean): Promise<Line[]> {
  const ms = quick ? 250 : 600;
  const rounds = quick ? 1 : 3;
  const lines: Line[] = [];
  for (const [at, shape] of SHAPES.entries()) {
    const rates: number[] = [];
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const place = `${folder}/shape-${at}-${round}`;
      const rate = await appendRate(place, shape, ms);
      rates.push(rate);
      ratios.push(rate / rawRate(place, shape, ms));
    }
    const what = `${shape.sessions} sessions, ${shape.batch} events an append`;
    lines.push({ bench: 'store', what: `appends: ${what}`, value: median(rates), unit: 'appends/s' });
    lines.push({ bench: 'store', what: `... over raw group commit`, value: median(ratios), unit: 'x' });
  }
  return [...lines, ...(await replay(`${folder}/replay`, quick ? 20_000 : 200_000))];
}

async function appendRate(folder: string, { sessions, batch }: Shape, ms: number): Promise<number> {
  const store = await openStore(folder);
  try {
    const nums = await Promise.all(Array.from({ length: sessions }, (_, at) => make(store, `s${at}`)));
    let appends = 0;
    const run = async (forMs: number): Promise<number> => {
      const start = performance.now();
      appends = 0;
      await Promise.all(
        nums.map(async (session) => {
          while (performance.now() - start < forMs) {
            await store.append(() => ({ session, epoch: 1, events: eventsOf(batch) }));
            appends += 1;
          }
        }),
      );
      return (appends / (performance.now() - start)) * 1_000;
    };
    await run(ms / 3);
    return await run(ms);
  } finally {
    await store.close();
  }
}

/** The same tables, filled by hand: `sessions` rows of events and as many fences to a transaction. */
function rawRate(folder: string, { sessions, batch }: Shape, ms: number): number {
  const db = new DatabaseSync(`${folder}/sojourn.db`);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32000');
  const nums = db.prepare('SELECT session, seq FROM heads ORDER BY session').all();
  const fence = db.prepare('UPDATE heads SET seq = seq + ? WHERE session = ? AND epoch = 1 RETURNING seq');
  const insert = db.prepare(
    'INSERT INTO chunks (session, seq, count, at, turn, meta, bodies, crc) VALUES (?, ?, ?, ?, ?, ?, ?, 0)',
  );
  const events = eventsOf(batch);
  const meta = JSON.stringify(events.map((event) => [0, event.kind, 0]));
  const bodies = `[${events.map((event) => event.body).join(',')}]`;
  const commit = (): void => {
    db.exec('BEGIN IMMEDIATE');
    for (const { session } of nums.slice(0, sessions)) {
      const seq = Number(fence.get(batch, session ?? null)?.['seq']);
      insert.run(session ?? null, seq - batch + 1, batch, 0, 't1', meta, bodies);
    }
    db.exec('COMMIT');
  };
  for (let round = 0; round < 50; round += 1) commit();
  let commits = 0;
  const start = performance.now();
  while (performance.now() - start < ms) {
    commit();
    commits += 1;
  }
  const rate = ((commits * sessions) / (performance.now() - start)) * 1_000;
  db.close();
  return rate;
}

/** One long session, read back in full pages. */
async function replay(folder: string, count: number): Promise<Line[]> {
  const store = await openStore(folder);
  try {
    const session = await make(store, 'long');
    const last = (count / REPLAY_BATCH) | 0;
    for (let at = 0; at < last; at += 1) {
      await store.append(() => ({ session, epoch: 1, events: eventsOf(REPLAY_BATCH) }));
    }
    const rates: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const start = performance.now();
      let seq = 0;
      for (;;) {
        const page = await store.read(session, seq, { eventsMax: 1_000, bytesMax: 1_048_576 });
        if (page.length === 0) break;
        seq = page.at(-1)?.seq ?? seq;
      }
      rates.push((seq / (performance.now() - start)) * 1_000);
    }
    return [{ bench: 'store', what: 'replay, pages of 1,000', value: median(rates), unit: 'events/s' }];
  } finally {
    await store.close();
  }
}

async function make(store: Store, key: string): Promise<number> {
  const made = await store.append(() => ({ session: newSession(key, 0), epoch: 0, events: eventsOf(1) }));
  if (made.kind !== 'appended') throw new Error(`Session ${key} was not made: ${made.kind}`);
  return made.num;
}

function eventsOf(count: number): NewEvent[] {
  const at = Date.now();
  return Array.from({ length: count }, () => ({ at, kind: 'text.delta', turn: 't1', body: BODY }));
}
