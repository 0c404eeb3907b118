// Bench: that a figure can be believed: wrong answers have none, and ratios are of neighbours.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, expect, test } from 'vitest';
import { F0, F1, F2, RunningServer, type Contender } from '../bench/contender.ts';
import { deltasOf, inputOf } from '../bench/echo.ts';
import { Connection } from '../bench/load/connection.ts';
import { sendTurn } from '../bench/load/turn.ts';
import { goalsOf, perSecond, ratio, type Results } from '../bench/results.ts';
import { sample } from '../bench/sample.ts';
import { recordedResults, recordedText } from '../bench/week.ts';
import type { Visit } from '../bench/workload.ts';

const folder = mkdtempSync(`${tmpdir()}/bench-test-`);
const servers: Server[] = [];
const floors: RunningServer[] = [];
const connections: Connection[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  for (const floor of floors.splice(0)) await floor.stop();
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A server that answers every request with these pieces, each written apart. */
async function answering(...pieces: string[]): Promise<Parameters<typeof sendTurn>[1]> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(piece);
    response.end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, token: 't' };
}

function connect(target: { host: string; port: number }): Connection {
  const connection = new Connection(target.host, target.port);
  connections.push(connection);
  return connection;
}

const delta = (text: string): string =>
  `id: 1\nevent: text.delta\ndata: ${JSON.stringify({ body: { text } })}\n\n`;
const ended = (outcome: string): string => `event: turn.ended\ndata: ${JSON.stringify({ outcome })}\n\n`;

test('an answer that is word for word right is counted with its deltas, however the network cuts it', async () => {
  const answer =
    deltasOf(inputOf('alice', 3, 0), 3)
      .map(delta)
      .join('') + ended('completed');
  const cut = answer.length >> 1;
  const target = await answering(answer.slice(0, 5), answer.slice(5, cut), answer.slice(cut));

  const times = await sendTurn(connect(target), target, 'alice', 3, 0);

  expect(times).toMatchObject({ deltas: 20, events: 21 });
  expect(times.firstMs).toBeGreaterThan(0);
});

test('an answer that misses one delta has no figure', async () => {
  const deltas = deltasOf(inputOf('alice', 3, 0), 3)
    .slice(1)
    .map(delta);
  const target = await answering(...deltas, ended('completed'));

  await expect(sendTurn(connect(target), target, 'alice', 3, 0)).rejects.toThrow(/said/);
});

test('a turn that failed has no figure, although its words are right', async () => {
  const deltas = deltasOf(inputOf('alice', 3, 0), 3).map(delta);
  const target = await answering(...deltas, ended('failed'));

  await expect(sendTurn(connect(target), target, 'alice', 3, 0)).rejects.toThrow(/ended failed/);
});

async function talk(contender: Contender): Promise<void> {
  const own = `${folder}/${contender.name}`;
  for (const [before, count] of [
    [0, 2],
    [2, 3],
  ] as const) {
    const floor = await RunningServer.start(contender, own);
    floors.push(floor);
    const connection = connect(floor.target);
    for (let turn = before + 1; turn <= count; turn += 1)
      await sendTurn(connection, floor.target, 'alice', turn, 0);
    connection.close();
    await floor.stop();
  }
}

test('the floors that keep something know the conversation after a restart, and F0 does not', async () => {
  await talk(F1);
  await talk(F2);
  await expect(talk(F0)).rejects.toThrow(/said This is message number 1 here/);
});

test('ratios are taken within a round, so a slow round of the machine moves nothing', () => {
  const visit = (round: number, contender: Contender, turnsPerSecond: number): Visit => {
    const none = sample([]);
    const figures = {
      turns: 1,
      ms: 1,
      turnsPerSecond,
      firstMs: none,
      totalMs: none,
      turnMs: [],
      deltasPerTurn: 20,
      eventsPerTurn: 21,
      cpuUsPerTurn: 1,
    };
    return { round, contender: contender.name, workload: 'w2', figures, stallMs: 1, cpuUsPerTurn: 1 };
  };
  const results: Results = {
    at: '',
    machine: { cpus: 2, model: '', node: '', platform: '' },
    loadBefore: 0,
    quick: false,
    rounds: 3,
    commitMs: 0.1,
    loneCommitMs: 0.1,
    pacedCommitMs: 0.1,
    fdatasyncMs: 0.1,
    visits: [
      visit(0, F1, 2_000),
      visit(0, F2, 400),
      visit(1, F1, 200),
      visit(1, F2, 40),
      visit(2, F1, 3_000),
      visit(2, F2, 100),
    ],
    memory: [],
    lines: [{ bench: 'list', what: 'a page', value: 12, unit: 'ms', goal: { sign: '<=', value: 10 } }],
  };

  expect(ratio(results, [F1, F2], 'w2', perSecond)).toBe(5);
  expect(goalsOf(results)).toEqual([
    { what: 'a page', value: 12, sign: '<=', bound: 10, unit: 'ms', met: false },
  ]);
});

test("the results of a week are the same every time, none like another, and as long as tools' are", () => {
  const results = recordedResults();
  const all = Array.from({ length: 2_000 }, (_, n) => results(n));
  const again = recordedResults();

  const longer = (least: number): number => all.filter(({ length }) => length > least).length;
  expect([7, 700, 1_700].map(again)).toEqual([all[7], all[700], all[1_700]]);
  expect(new Set(all).size).toBe(2_000);
  expect(longer(8 * 1_024)).toBeGreaterThan(250);
  expect(longer(8 * 1_024)).toBeLessThan(500);
  expect(longer(900_000)).toBeGreaterThan(3);
  expect(longer(900_000)).toBeLessThan(20);
  expect(Buffer.byteLength(recordedText(100_000))).toBe(100_000);
});
