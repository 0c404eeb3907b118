// A crash, or a failing disk, at every write of what moves things out of a log: results, inputs and answers that are too large,
// digests by rules and by a summariser, a checkpoint, an import, a collection, an erasure.
//
// A process of its own tells the story of crash-story.ts on a real data folder. It is killed right before, in the middle of or
// right behind one of its writes, or that write fails; then the next process looks at what is left (crash-audit.ts).
//
//   CONTEXT_CRASHES=all          takes every write in every way: a thousand processes, many minutes. Otherwise one of each
//                                kind of write.
//   CONTEXT_CRASHES_SEED=NUMBER  takes the same ones again. What waits for the disk shares its writes, so the same number may
//                                be its neighbour; what is wrong is told with the write's name.
import { expect, test } from 'vitest';
import { audit } from './crash-audit.ts';
import { after, every, live, sample, seeded, sweep } from './crash-sweep.ts';
import { StoreFolder } from './store-folder.ts';
import type { Told } from './crash-story.ts';

const ALL = process.env['CONTEXT_CRASHES'] === 'all';
const LIVES = 4;
const at = new StoreFolder();
const SEED = Number(process.env['CONTEXT_CRASHES_SEED'] ?? Date.now() % 1_000_000);

test(
  'nothing is lost, nothing is there twice and no half file is left, at whichever write the process dies or the disk fails',
  { timeout: ALL ? 3_600_000 : 300_000 },
  async () => {
    const { life, found } = await after({ nth: 0, way: 'before' });
    const { written = [] } = life;
    const faults = ALL ? every(written) : sample(written, seeded(SEED));

    const wrong: string[] = [];
    await sweep(faults, written, (line) => wrong.push(line));

    expect(found.wrong).toEqual([]);
    expect(found.references).toBeGreaterThan(8);
    expect(new Set(found.digests.map(({ by, kind }) => `${kind} by ${by}`))).toEqual(
      new Set(['calls by rules', 'turns by rules', 'turns by teller']),
    );
    expect(new Set(written).size).toBeGreaterThan(18);
    expect(wrong, `CONTEXT_CRASHES_SEED=${SEED}`).toEqual([]);
  },
);

test(
  'sessions that move much out while they work have all of it, whenever they are killed, and however often',
  { timeout: 180_000 },
  async () => {
    const random = seeded(SEED);
    const told: Told[] = [];
    const wrong: string[] = [];
    const by = new Set<string>();
    for (let life = 1; life <= LIVES; life += 1) {
      const enough = 15 + Math.floor(random() * 40);
      const { told: more, written } = await live(at.folder, life, 'busy', (count) => count >= enough);
      told.push(...more);
      const found = await audit(at.folder, told, []);
      if (written !== undefined) found.wrong.push(`it ended by itself: ${JSON.stringify(more.at(-1))}`);
      wrong.push(...found.wrong.map((what) => `life ${life}: ${what}`));
      for (const digest of found.digests) by.add(`${digest.kind} by ${digest.by}`);
    }

    expect(wrong, `CONTEXT_CRASHES_SEED=${SEED}`).toEqual([]);
    expect(told.length).toBeGreaterThan(15 * LIVES);
    expect([...by]).toEqual(expect.arrayContaining(['turns by rules', 'turns by teller']));
  },
);
