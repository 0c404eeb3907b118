// What survives of a timeline when its process is killed: a ledger of acknowledgements against what is on disk.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { StoreFolder } from './store-folder.ts';

const WRITER = fileURLToPath(new URL('timeline-writer.ts', import.meta.url));
const KILLS = 6;
const AUTHORS = 8;
const at = new StoreFolder();

/** Posts until so many are acknowledged, and is killed then; the ledger learns of each. */
async function live(ledger: Map<number, string>, killAfter: number): Promise<void> {
  const child = spawn(process.execPath, [WRITER, at.folder, String(AUTHORS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let acks = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, id, content] = /^ack (\d+) (\d+-a\d+-\d+)$/.exec(line) ?? [];
    if (id === undefined || content === undefined) continue;
    // The last line may be cut off by the kill, so only the first word for a number counts.
    if (!ledger.has(Number(id))) ledger.set(Number(id), content);
    acks += 1;
    if (acks === killAfter) child.kill('SIGKILL');
  }
  await ended;
}

test('every post that was acknowledged is there under its number, without a gap, however often the process is killed', async () => {
  const ledger = new Map<number, string>();
  for (let kill = 0; kill < KILLS; kill += 1) await live(ledger, 50 + kill * 37);

  const store = await at.open();
  const posts = new Map<number, string>();
  for (let after: number | null = 0; after !== null;) {
    const page = await store.timelines.page({ project: 'default', from: { after }, limit: 200 });
    for (const { id, content } of page.posts) posts.set(id, content);
    after = page.next;
  }

  const lost = [...ledger].filter(([id, content]) => !(posts.get(id) ?? '').startsWith(content));
  expect(ledger.size).toBeGreaterThan(KILLS * 50);
  expect(lost).toEqual([]);
  expect([...posts.keys()]).toEqual(Array.from({ length: posts.size }, (_each, index) => index + 1));
  expect(new Set(posts.values()).size).toBe(posts.size);
});
