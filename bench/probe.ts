// Probe: loaded into every server with `--import`, so that the floors stay as plain as they would be.
//
// It answers two questions over IPC: what happened since the last `reset` (the longest the event loop was held up, the
// CPU time of all threads), and how much memory is in use after a collection. It ends the server when the bench goes away.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turnOfLoop } from 'node:timers/promises';

export type Question = 'reset' | 'since' | 'memory';

export interface ProbeReply {
  stallMs: number;
  cpuMs: number;
  heapBytes: number;
  rssBytes: number;
}

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
let cpu = process.cpuUsage();

async function answer(question: Question): Promise<ProbeReply> {
  if (question === 'memory') {
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc?.();
      await turnOfLoop();
    }
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  // The histogram counts from one wake-up to the next: the wait it asked for is no stall.
  const stallMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
  const used = process.cpuUsage(cpu);
  if (question === 'reset') {
    delay.reset();
    cpu = process.cpuUsage();
  }
  return { stallMs, cpuMs: (used.user + used.system) / 1_000, heapBytes: heapUsed + external, rssBytes: rss };
}

process.on('message', (question: Question) => {
  answer(question)
    .then((reply) => process.send?.(reply))
    // Nothing can be told when the channel is gone; the process ends with it.
    .catch(() => process.exit(1));
});
process.once('disconnect', () => process.exit());
// The server lives as long as it listens, not as long as it is watched.
process.channel?.unref();
