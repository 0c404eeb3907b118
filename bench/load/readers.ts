// Readers: many people following one session, while one of them speaks.
//
// Every reader holds an SSE connection of its own to the session's events; a turn is sent, and each reader's delay is
// from the moment the first reader has the turn's end to the moment it has it itself, and the spread from the send.
import { connect } from 'node:net';
import { sample, type Sample } from '../sample.ts';
import { Connection } from './connection.ts';
import { requestOf, sendTurn, type Target } from './turn.ts';

export interface ReadersOrder {
  order: 'readers';
  target: Target;
  key: string;
  /** Messages the session has had before. */
  before: number;
  readers: number;
  turns: number;
}

export interface ReadersFigures {
  /** Events delivered a second, all readers together, from the first turn's send to the last reader's last event. */
  deliveredPerSecond: number;
  /** From sending the turn until a reader has its end. */
  endMs: Sample;
  /** How much later than the sender's own stream the last reader has the end. */
  lagMs: Sample;
  ms: number;
}

interface Reader {
  /** Resolves with the time at which the stream has shown `turns` ends. */
  ends(turns: number): Promise<number>;
  readonly seen: () => number;
  close(): void;
}

export async function readAll(order: ReadersOrder): Promise<ReadersFigures> {
  const readers = await Promise.all(Array.from({ length: order.readers }, () => openReader(order)));
  const connection = new Connection(order.target.host, order.target.port);
  const ends: number[] = [];
  const lags: number[] = [];
  const before = sum(readers.map((reader) => reader.seen()));
  const start = performance.now();
  for (let turn = 1; turn <= order.turns; turn += 1) {
    const sent = performance.now();
    const all = Promise.all(readers.map((reader) => reader.ends(turn)));
    const times = await sendTurn(connection, order.target, order.key, order.before + turn, 0);
    const at = await all;
    for (const end of at) ends.push(end - sent);
    lags.push(Math.max(...at) - sent - times.totalMs);
  }
  const ms = performance.now() - start;
  const delivered = sum(readers.map((reader) => reader.seen())) - before;
  connection.close();
  for (const reader of readers) reader.close();
  return { deliveredPerSecond: (delivered / ms) * 1_000, endMs: sample(ends), lagMs: sample(lags), ms };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Resolves once the server has answered, so that no reader joins in the middle of a turn. */
function openReader(order: ReadersOrder): Promise<Reader> {
  const path = `/v1/sessions/${order.key}/events`;
  const socket = connect({ host: order.target.host, port: order.target.port, noDelay: true });
  socket.setEncoding('latin1');
  let seen = 0;
  let ended = 0;
  let carry = '';
  let waiting: { turns: number; resolve(at: number): void } | undefined;
  let base: number | undefined;
  const reader: Reader = {
    seen: () => seen,
    ends: (turns) =>
      new Promise((resolve) => {
        base ??= ended;
        waiting = { turns: base + turns, resolve };
      }),
    close: () => socket.destroy(),
  };
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.write(requestOf(order.target, 'GET', path, 'text/event-stream'));
    socket.on('data', (text: string) => {
      // An event's first line may be cut in two by a packet: keep what could be the start of one.
      const all = carry + text;
      const cut = Math.max(0, all.lastIndexOf('\n'));
      carry = all.slice(cut);
      const whole = all.slice(0, cut);
      seen += occurrences(whole, '\nevent: ');
      ended += occurrences(whole, '\nevent: turn.ended');
      if (ended >= order.before) resolve(reader);
      if (waiting !== undefined && ended >= waiting.turns) {
        waiting.resolve(performance.now());
        waiting = undefined;
      }
    });
  });
}

function occurrences(text: string, what: string): number {
  let count = 0;
  for (let at = text.indexOf(what); at >= 0; at = text.indexOf(what, at + what.length)) count += 1;
  return count;
}
