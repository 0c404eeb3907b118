// The bridge of `sojourn mcp`, in front of servers that leave in the middle of an answer.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { Bridge } from '../src/cli/mcp-bridge.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { modern, type Loose } from './mcp-support.ts';

interface Pipe {
  clock: ManualClock;
  /** A message of the client. */
  say: (message: object) => void;
  /** The next answer of the server, whose first frame is out. */
  begun: () => Promise<ServerResponse>;
  /** The next message to the client. */
  heard: () => Promise<Loose>;
  /** All that was said, once the client has gone. */
  over: () => Promise<Loose[]>;
}

/** `leaving` of its first calls meet a server that is about to go. */
async function pipe(leaving = 0): Promise<Pipe> {
  const answers: ServerResponse[] = [];
  let departures = leaving;
  const server = createServer((_request, response) => {
    if ((departures -= 1) >= 0) {
      response.writeHead(503, { 'Content-Type': 'application/problem+json' });
      response.end('{"code":"runtime.draining","detail":"The server is leaving"}');
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n', () => {
      answers.push(response);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const said: Loose[] = [];
  let wake = Promise.withResolvers<void>();
  const clock = new ManualClock();
  const bridge = new Bridge({
    clock,
    locate: () => Promise.resolve({ url: `http://127.0.0.1:${port}`, headers: {} }),
    write: (line) => {
      said.push(JSON.parse(line));
      wake.resolve();
      wake = Promise.withResolvers();
    },
  });
  const input = new PassThrough();
  const done = bridge.run(input, 1_000, new AbortController().signal);
  let read = 0;
  const heard: Pipe['heard'] = async () => {
    while (said.length === read) await wake.promise;
    return said[read++];
  };
  return {
    clock,
    heard,
    say: (message) => void input.write(`${JSON.stringify(message)}\n`),
    begun: async () => {
      expect(await heard()).toMatchObject({ method: 'notifications/progress' });
      const response = answers.shift();
      if (response === undefined) throw new Error('Nobody asked the server');
      return response;
    },
    over: async () => {
      input.end();
      await done;
      return said.slice(read);
    },
  };
}

const request = (id: number): object => ({ ...modern('tools/call', { name: 'list_agents' }).body, id });
const unreachable = { code: -32_603, message: expect.stringContaining('server.unreachable') };

test('an answer that ends without its result is answered with that', async () => {
  const { say, begun, heard, over } = await pipe();
  say(request(7));

  (await begun()).end();

  expect(await heard()).toMatchObject({ id: 7, error: unreachable });
  expect(await over()).toEqual([]);
});

test('an answer that falls silent is answered with that', async () => {
  const { say, begun, heard, over, clock } = await pipe();
  say(request(7));
  await begun();

  await clock.advance(61_000);

  expect(await heard()).toMatchObject({ id: 7, error: unreachable });
  expect(await over()).toEqual([]);
});

test('a result that came is the only answer', async () => {
  const { say, begun, heard, over } = await pipe();
  say(request(7));

  (await begun()).end('data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n');

  expect(await heard()).toEqual({ jsonrpc: '2.0', id: 7, result: {} });
  expect(await over()).toEqual([]);
});

test('a call that was taken back is not answered', async () => {
  const { say, begun, over } = await pipe();
  say(request(7));
  const answer = await begun();
  const closed = once(answer, 'close');

  say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } });
  await closed;

  expect(await over()).toEqual([]);
});

test('a call outlives several servers that leave before they take it', async () => {
  const { say, begun, heard } = await pipe(3);
  say(request(7));

  (await begun()).end('data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n');

  expect(await heard()).toMatchObject({ id: 7, result: {} });
});

test('a call that every server refuses because it leaves is answered with that', async () => {
  const { say, heard } = await pipe(1_000);
  say(request(7));

  expect(await heard()).toMatchObject({
    id: 7,
    error: { message: 'runtime.draining: The server is leaving' },
  });
});
