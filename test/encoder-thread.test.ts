// The thread that counts tokens: it comes when it is needed, and goes when it is not.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { EncoderThread } from '../src/context/encoder-thread.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { compactions, reader, small } from './compaction-scene.ts';
import { say } from './session-stage.ts';

const PROSE =
  'The harbour was quiet before the storm, and every boat that could be moved had been moved upstream. ';

/** The threads that start while `work` goes on. */
async function threadsOf(work: () => Promise<unknown>): Promise<readonly Worker[]> {
  const threads: Worker[] = [];
  const see = (worker: Worker): void => void threads.push(worker);
  process.on('worker', see);
  try {
    await work();
  } finally {
    process.off('worker', see);
  }
  return threads;
}

function exitOf(thread: Worker | undefined): Promise<unknown> {
  if (thread === undefined) throw new Error('no thread was started');
  return once(thread, 'exit');
}

test('counts each text of a list, in order, also the names of control tokens', async () => {
  const encoder = new EncoderThread(new ManualClock());

  const [prose, nothing, names] = await encoder.encode([PROSE, '', '<|endoftext|><|im_start|>']);
  const [again] = await encoder.encode([PROSE]);
  await encoder.close();

  expect([prose, nothing, again]).toEqual([21, 0, 21]);
  expect(names).toBeGreaterThan(5);
});

test('one thread counts list after list; it ends when nobody asks for a while, and the next list starts another', async () => {
  const clock = new ManualClock();
  const encoder = new EncoderThread(clock);

  const [first, ...more] = await threadsOf(async () => {
    await encoder.encode(['one']);
    await clock.advance(299_999);
    await encoder.encode(['two']);
  });
  const ended = exitOf(first);
  await clock.advance(300_000);
  await ended;
  const others = await threadsOf(() => encoder.encode(['three']));
  await encoder.close();

  expect(more).toEqual([]);
  expect(others).toHaveLength(1);
});

test('a thread that dies, or does not answer in time, fails its list only', async () => {
  const clock = new ManualClock();
  const encoder = new EncoderThread(clock);
  const failed = (error: unknown): string => String(error);

  process.once('worker', (worker: Worker) => void worker.terminate());
  const died = await encoder.encode(['one']).then(String, failed);
  const late = encoder.encode(['two']).then(String, failed);
  await clock.advance(20_000);

  expect(died).toContain('it has ended');
  expect(await late).toContain('it has not answered for 20000 ms');
  expect(await encoder.encode([PROSE])).toEqual([21]);
  await encoder.close();
});

test('a process is not kept alive by a thread that has nothing to count', async () => {
  const program = `
    import { EncoderThread } from ${JSON.stringify(import.meta.resolve('../src/context/encoder-thread.ts'))};
    import { systemClock } from ${JSON.stringify(import.meta.resolve('../src/kernel/clock.ts'))};
    console.log(await new EncoderThread(systemClock).encode(['one two three']));
  `;

  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 60_000,
  });

  expect(stdout).toBe('[ 3 ]\n');
});

test('all sessions of a runtime are counted by one thread, which ends with the runtime', async () => {
  const { agent } = reader();
  const clock = new ManualClock();
  await using world = await small(agent, { encoder: new EncoderThread(clock) });

  const threads = await threadsOf(async () => {
    for (const key of ['a', 'b']) {
      for (let turn = 0; turn < 4; turn += 1) await say(world, key, 'say 500');
      expect((await world.runtime.context(key)).counting).toBe('other');
    }
  });
  const ended = exitOf(threads[0]);
  await world.runtime.shutdown(0);
  await ended;

  expect(threads).toHaveLength(1);
});

test('a turn near its window does not wait for counts that never come: it goes on by the estimate', async () => {
  const { agent, histories } = reader();
  const deaf = { encode: () => new Promise<never>(() => undefined), close: () => Promise.resolve() };
  await using world = await small(agent, { encoder: deaf });

  for (let turn = 0; turn < 9; turn += 1) {
    let isOver = false;
    const over = say(world, 'a', 'say 500').finally(() => (isOver = true));
    while (!isOver) await world.clock.advance(1_000);
    await over;
  }

  expect(histories).toHaveLength(9);
  expect(await compactions(world, 'a')).not.toEqual([]);
});
