// Timeline: what a post costs, and what it takes until a thousand people who follow have it, over HTTP.
//
// A post is durable before it is answered, and shown only then: every figure holds a commit.
import { RunningServer, SOJOURN } from '../contender.ts';
import type { Load } from '../load/driver.ts';
import type { Line } from '../results.ts';

const AUTHORS = 32;

export async function timelineBench(folder: string, load: Load, quick: boolean): Promise<Line[]> {
  const server = await RunningServer.start(SOJOURN, folder);
  try {
    const readers = quick ? 200 : 1_000;
    await server.reset();
    const figures = await load.posts({
      target: server.target,
      authors: AUTHORS,
      postsEach: quick ? 50 : 200,
      readers,
      followed: quick ? 10 : 50,
    });
    const { stallMs } = await server.since();
    const line = (what: string, value: number, unit: string): Line => ({
      bench: 'timeline',
      what,
      value,
      unit,
    });
    const many = `one post to ${readers.toLocaleString('en-US')} readers:`;
    return [
      line('a post, one author alone, p50', figures.aloneMs.p50, 'ms'),
      line('a post, one author alone, p99', figures.aloneMs.p99, 'ms'),
      line(`posts of ${AUTHORS} authors at the same time`, figures.postsPerSecond, 'posts/s'),
      line(`${many} a reader has it, p50`, figures.readMs.p50, 'ms'),
      line(`${many} a reader has it, p99`, figures.readMs.p99, 'ms'),
      line(`${many} the last one has it, p50`, figures.lastMs.p50, 'ms'),
      line(`${many} delivered, one post after the other`, figures.deliveredPerSecond, 'posts/s'),
      line('largest stall, while they come and after', stallMs, 'ms'),
    ];
  } finally {
    await server.stop();
  }
}
