// Turn: sends one message over a connection, times it, and proves the answer.
//
//   T1. A turn counts only when its stream ended with `turn.ended`, outcome `completed`, and the deltas put together
//       are word for word what the agent says to this message at this place in the conversation.
//   T2. The first delta is the moment the first of its bytes is read, not when the stream is taken apart.
import { deltasOf, inputOf } from '../echo.ts';
import type { Connection } from './connection.ts';

export interface Target {
  host: string;
  port: number;
  token: string;
}

export interface TurnTimes {
  firstMs: number;
  totalMs: number;
  deltas: number;
  /** Everything after the receipt, the end included. */
  events: number;
}

export function requestOf(target: Target, method: string, path: string, accept: string, body = ''): string {
  return (
    `${method} ${path} HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\nAuthorization: Bearer ${target.token}\r\n` +
    `Accept: ${accept}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** `count` is how many messages the session has had, this one included. */
export async function sendTurn(
  connection: Connection,
  target: Target,
  key: string,
  count: number,
  gapMs: number,
): Promise<TurnTimes> {
  const input = inputOf(key, count, gapMs);
  const request = requestOf(
    target,
    'POST',
    `/v1/sessions/${key}/turns`,
    'text/event-stream',
    JSON.stringify({ input }),
  );
  const start = performance.now();
  let firstMs = 0;
  const reply = await connection.send(request, (body) => {
    if (firstMs === 0 && body.includes('event: text.delta')) firstMs = performance.now() - start;
  });
  const totalMs = performance.now() - start;
  if (reply.status !== 200)
    throw new Error(`Turn ${count} of ${key}: ${reply.status} ${reply.body.slice(0, 300)}`);
  return { firstMs, totalMs, ...checked(reply.body, input, count, key) };
}

interface Wire {
  text?: string;
  outcome?: string;
  body?: { text?: string; outcome?: string };
}

function checked(
  stream: string,
  input: string,
  count: number,
  key: string,
): { deltas: number; events: number } {
  let said = '';
  let deltas = 0;
  let events = 0;
  let outcome: string | undefined;
  for (const block of stream.split('\n\n')) {
    const kind = field(block, 'event');
    if (kind === 'text.delta' || kind === 'turn.ended') {
      const wire = JSON.parse(field(block, 'data')) as Wire;
      if (kind === 'text.delta') said += wire.body?.text ?? wire.text ?? '';
      else outcome = wire.body?.outcome ?? wire.outcome;
    }
    if (kind === 'text.delta') deltas += 1;
    if (kind !== '' && kind !== 'receipt') events += 1;
  }
  if (outcome !== 'completed')
    throw new Error(`Turn ${count} of ${key} ended ${outcome}: ${stream.slice(-400)}`);
  const expected = deltasOf(input, count).join('');
  if (said !== expected)
    throw new Error(`Turn ${count} of ${key} said ${said.slice(0, 200)}, not ${expected.slice(0, 200)}`);
  return { deltas, events };
}

/** The value of an SSE field whose line starts the block or follows a line end. */
function field(block: string, name: string): string {
  const mark = `${name}: `;
  const at = block.startsWith(mark) ? 0 : block.indexOf(`\n${mark}`) + 1;
  if (at === 0 && !block.startsWith(mark)) return '';
  const end = block.indexOf('\n', at);
  return block.slice(at + mark.length, end < 0 ? undefined : end);
}
