// Load: the process that plays all users. It obeys one order at a time, over IPC, and answers with figures.
//
//   L1. A session has one turn in flight: each of `concurrency` connections has sessions of its own and goes round them.
//   L2. Latencies are closed loop: a connection sends its next turn when the last one is answered.
//   L3. Any wrong answer fails the whole order: a fast wrong server has no figure.
import { sample, type Sample } from '../sample.ts';
import { Connection } from './connection.ts';
import { postAll, type PostsFigures, type PostsOrder } from './posts.ts';
import { readAll, type ReadersFigures, type ReadersOrder } from './readers.ts';
import { requestOf, sendTurn, type Target, type TurnTimes } from './turn.ts';

export interface TurnsOrder {
  order: 'turns';
  target: Target;
  /** Session keys. */
  keys: readonly string[];
  /** Messages each session has had before. */
  before: number;
  turnsEach: number;
  concurrency: number;
  gapMs: number;
  /** A session has all its turns one after the other, instead of going round. Default false. */
  inARow?: boolean;
}

export interface CallsOrder {
  order: 'calls';
  target: Target;
  method: string;
  paths: readonly string[];
  concurrency: number;
}

export interface TurnsFigures {
  turns: number;
  ms: number;
  turnsPerSecond: number;
  firstMs: Sample;
  totalMs: Sample;
  /** The same, of each session's first turn in this order, of its second, and so on. */
  turnMs: readonly Sample[];
  deltasPerTurn: number;
  eventsPerTurn: number;
  /** Of this process, per turn: what the measuring itself takes from the two cores. */
  cpuUsPerTurn: number;
}

export interface CallsFigures {
  ms: number;
  totalMs: Sample;
  statuses: Record<string, number>;
}

export type Order = TurnsOrder | CallsOrder | ReadersOrder | PostsOrder;
export type Figures = TurnsFigures | CallsFigures | ReadersFigures | PostsFigures;
export type LoadReply = { ok: true; figures: Figures } | { ok: false; error: string };

async function turns(order: TurnsOrder): Promise<TurnsFigures> {
  const times: TurnTimes[] = [];
  const byTurn = Array.from({ length: order.turnsEach }, (): number[] => []);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: order.concurrency }, async (_, lane) => {
      const own = order.keys.filter((_key, at) => at % order.concurrency === lane);
      const connection = new Connection(order.target.host, order.target.port);
      for (const [turn, key] of inOrder(order, own)) {
        const time = await sendTurn(connection, order.target, key, order.before + turn + 1, order.gapMs);
        times.push(time);
        byTurn[turn]?.push(time.totalMs);
      }
      connection.close();
    }),
  );
  const ms = performance.now() - start;
  const used = process.cpuUsage(cpu);
  return {
    turns: times.length,
    ms,
    turnsPerSecond: (times.length / ms) * 1_000,
    firstMs: sample(times.map((time) => time.firstMs)),
    totalMs: sample(times.map((time) => time.totalMs)),
    turnMs: byTurn.map(sample),
    deltasPerTurn: mean(times.map((time) => time.deltas)),
    eventsPerTurn: mean(times.map((time) => time.events)),
    cpuUsPerTurn: (used.user + used.system) / times.length,
  };
}

/** Which turn of which session comes after which. */
function inOrder({ turnsEach, inARow = false }: TurnsOrder, keys: readonly string[]): [number, string][] {
  const turns = Array.from({ length: turnsEach }, (_, turn) => turn);
  return inARow
    ? keys.flatMap((key) => turns.map((turn): [number, string] => [turn, key]))
    : turns.flatMap((turn) => keys.map((key): [number, string] => [turn, key]));
}

async function calls(order: CallsOrder): Promise<CallsFigures> {
  const totals: number[] = [];
  const statuses: Record<string, number> = {};
  const start = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: order.concurrency }, async () => {
      const connection = new Connection(order.target.host, order.target.port);
      for (let path = order.paths[next++]; path !== undefined; path = order.paths[next++]) {
        const begun = performance.now();
        const reply = await connection.send(requestOf(order.target, order.method, path, 'application/json'));
        totals.push(performance.now() - begun);
        statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
      }
      connection.close();
    }),
  );
  return { ms: performance.now() - start, totalMs: sample(totals), statuses };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function obey(order: Order): Promise<Figures> {
  switch (order.order) {
    case 'turns':
      return turns(order);
    case 'calls':
      return calls(order);
    case 'readers':
      return readAll(order);
    case 'posts':
      return postAll(order);
  }
}

process.on('message', (order: Order) => {
  obey(order)
    .then((figures): LoadReply => ({ ok: true, figures }))
    .catch((error: unknown): LoadReply => ({ ok: false, error: String(error) }))
    .then((reply) => process.send?.(reply))
    // Nothing can be told when the channel is gone; the process ends with it.
    .catch(() => process.exit(1));
});
process.once('disconnect', () => process.exit());
