// The floors' app: what a competent engineer writes in an afternoon, and what Sojourn is measured against.
//
// Hono, a Map of sessions with their history, one turn at a time per session, and SSE. It has no receipts, no cursors,
// no reconnecting, no cancel, no tokens. Deltas leave by Hono's own `streamSSE`; with `--bare` they go straight to
// Node's response, which is what whoever profiles the first one writes the next day.
import { serve, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { AddressInfo } from 'node:net';
import { echo } from '../echo.ts';

export interface Said {
  role: 'user' | 'assistant';
  text: string;
}

/** Where a floor puts what was said. All calls are synchronous: `node:sqlite` is, and an afternoon has no worker. */
export interface Notebook {
  /** Everything said in a session; empty for a new one. Called once per session and process. */
  load(key: string): Said[];
  /** Called for every delta, before it is sent. */
  delta(key: string, input: string, n: number, text: string): void;
  /** Called when the answer is whole, before the turn's last event is sent. */
  turn(key: string, input: string, answer: string): void;
}

/** Shows a reader one event of a turn. */
type Show = (event: string, data: unknown) => Promise<void>;

interface Session {
  history: Said[];
  /** Settles when the turn before this one has ended. */
  tail: Promise<void>;
}

export function serveFloor(notebook: Notebook): void {
  const isBare = process.argv.includes('--bare');
  const sessions = new Map<string, Session>();
  const app = new Hono<{ Bindings: HttpBindings }>();

  function sessionOf(key: string): Session {
    let session = sessions.get(key);
    if (session === undefined) {
      session = { history: notebook.load(key), tail: Promise.resolve() };
      sessions.set(key, session);
    }
    return session;
  }

  app.post('/v1/sessions/:key/turns', async (c) => {
    const key = c.req.param('key');
    const { input } = await c.req.json<{ input: unknown }>();
    if (typeof input !== 'string') return c.json({ error: 'input must be a string' }, 400);
    const session = sessionOf(key);
    const take = (show: Show): Promise<void> => {
      const turn = session.tail.then(() => runTurn(notebook, key, session, input, show));
      session.tail = turn.catch(() => undefined);
      return turn;
    };
    if (!isBare) {
      return streamSSE(c, (stream) =>
        take((event, data) => stream.writeSSE({ event, data: JSON.stringify(data) })),
      );
    }
    const out = c.env.outgoing;
    out.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    await take(async (event, data) => {
      out.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    });
    out.end();
    return RESPONSE_ALREADY_SENT;
  });

  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, (address: AddressInfo) => {
    console.log(`listening on http://127.0.0.1:${address.port}`);
  });
  process.once('SIGTERM', () => {
    server.close(() => process.exit());
  });
}

async function runTurn(
  notebook: Notebook,
  key: string,
  session: Session,
  input: string,
  show: Show,
): Promise<void> {
  session.history.push({ role: 'user', text: input });
  const count = session.history.filter((said) => said.role === 'user').length;
  let answer = '';
  let n = 0;
  for await (const text of echo(input, count)) {
    n += 1;
    notebook.delta(key, input, n, text);
    answer += text;
    await show('text.delta', { text });
  }
  notebook.turn(key, input, answer);
  session.history.push({ role: 'assistant', text: answer });
  await show('turn.ended', { outcome: 'completed', text: answer });
}
