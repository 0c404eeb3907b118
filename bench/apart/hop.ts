// Hop: what it costs to ask another thread and hear from it, which every durable write pays on top of the commit.
//
// Asked with pauses between, as a lone user would: a thread that has gone to sleep takes longer to answer.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { Line } from '../results.ts';
import { median } from '../sample.ts';

const HOPS = 1_000;
const PAUSED_HOPS = 100;
const PAUSE_MS = 20;

export async function hopBench(): Promise<Line[]> {
  const worker = new Worker(new URL('hop.ts', import.meta.url));
  const hopMs = async (): Promise<number> => {
    const start = performance.now();
    const heard = once(worker, 'message');
    worker.postMessage('ask');
    await heard;
    return performance.now() - start;
  };
  for (let hop = 0; hop < HOPS; hop += 1) await hopMs();
  const busy: number[] = [];
  for (let hop = 0; hop < HOPS; hop += 1) busy.push(await hopMs());
  const paused: number[] = [];
  for (let hop = 0; hop < PAUSED_HOPS; hop += 1) {
    await sleep(PAUSE_MS);
    paused.push(await hopMs());
  }
  await worker.terminate();
  return [
    {
      bench: 'store',
      what: 'a message to a thread and back, one after the other, p50',
      value: median(busy),
      unit: 'ms',
    },
    {
      bench: 'store',
      what: 'a message to a thread and back, after a pause, p50',
      value: median(paused),
      unit: 'ms',
    },
  ];
}

if (!isMainThread) parentPort?.on('message', (message) => parentPort?.postMessage(message));
