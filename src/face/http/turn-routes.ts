// Turn routes: handing a message to a session, following and stopping what it sets off.
import { SojournError } from '../../kernel/errors.ts';
import type { SendOptions } from '../../wire/calls.ts';
import { reasonCall, turnCall } from '../../wire/schema.ts';
import { cancelledView, cancelResult, receiptView, turnPageView, turnView } from '../../wire/view-schema.ts';
import { isLoopback } from './connections.ts';
import { shownLog } from './event-routes.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './route.ts';
import { STREAM_HEADERS } from './stream.ts';

/** The busiest call there is: nothing here is done that the answer does not need. */
async function send(x: Exchange): Promise<void> {
  const idempotencyKey = idempotencyKeyOf(x);
  const options = idempotencyKey === undefined ? {} : { idempotencyKey };
  if (x.wantsEvents) {
    await sendAndStream(x, options);
    return;
  }
  const waitMs = waitOf(x);
  const call = await x.body(turnCall, { steers: false });
  const receipt = await x.runtime.send(x.key, call, options, x.caller);
  if (waitMs === undefined) {
    x.json(202, receipt);
    return;
  }
  const turn = await x.runtime.finished(x.key, receipt.turn, { waitMs, signal: x.over }, x.caller);
  const applied: [string, string] = ['Preference-Applied', `wait=${waitMs / 1_000}`];
  if (turn === null) x.json(202, receipt, [applied]);
  else x.json(200, turn, [applied]);
}

/** The place among the streams is taken first: a turn that was accepted is never answered "too many streams". */
async function sendAndStream(x: Exchange, options: SendOptions): Promise<void> {
  const place = x.parts.streams.enter(x.caller, isLoopback(x.address), x.runtime);
  try {
    const call = await x.body(turnCall, { steers: false });
    const receipt = await x.runtime.send(x.key, call, options, x.caller);
    const { turn, seq } = receipt;
    const tail = await x.runtime.tail(x.key, { after: seq, session: receipt.session, turn }, x.caller);
    x.head(200, STREAM_HEADERS);
    const first = `event: receipt\ndata: ${JSON.stringify(receipt)}\n\n`;
    await place.show(x.response, shownLog(tail, first, turn));
  } finally {
    place.leave();
  }
}

export function idempotencyKeyOf(x: Exchange): string | undefined {
  const key = x.header('idempotency-key');
  if (key === undefined || /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new SojournError('input.invalid', 'Idempotency-Key must be 1 to 255 printable ASCII characters');
}

function waitOf(x: Exchange): number | undefined {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d+)"?(?=$|[,;\s])/i.exec(x.header('prefer') ?? '')?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1_000, x.parts.limits.waitMsMax);
}

async function cancelTurn(x: Exchange): Promise<void> {
  const { reason } = await x.body(reasonCall, { steers: true });
  x.json(200, await x.runtime.cancelTurn(x.key, x.param('turn'), reason, x.caller));
}

async function cancel(x: Exchange): Promise<void> {
  const { reason } = await x.body(reasonCall, { steers: true });
  x.json(200, await x.runtime.cancel(x.key, reason, x.caller));
}

async function list(x: Exchange): Promise<void> {
  const limit = x.queryInt('limit', 1, 200);
  const before = x.queryInt('before', 0, Number.MAX_SAFE_INTEGER);
  const options = {
    ...(limit === undefined ? {} : { limit }),
    ...(before === undefined ? {} : { before }),
  };
  x.json(200, { turns: await x.runtime.turns(x.key, options, x.caller) });
}

export const turnRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/sessions/{key}/turns',
    access: 'send',
    tag: 'Turns',
    id: 'sendTurn',
    summary: 'Hand a message to a session, making it when there is none',
    description:
      'Answers once the input is durable. With `Accept: text/event-stream` the receipt comes as first event (`event: receipt`), then the turn’s events to its outcome. With `Prefer: wait=N` the finished turn, or 202 when N seconds were not enough; both need scope `read`, too.',
    body: turnCall,
    parameters: [
      {
        name: 'Idempotency-Key',
        in: 'header',
        description:
          'Remembered for 7 days: the same key and body give the same receipt, with another body 422.',
      },
      { name: 'Prefer', in: 'header', description: '`wait=N`: wait up to N seconds for the outcome.' },
    ],
    answers: {
      200: { description: 'The finished turn, or its events.', schema: turnView, type: 'text/event-stream' },
      202: { description: 'Accepted, and durable.', schema: receiptView },
    },
    answer: send,
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}/turns',
    access: 'read',
    tag: 'Turns',
    id: 'listTurns',
    summary: 'List turns, newest first',
    parameters: [
      { name: 'limit', in: 'query', type: 'integer', description: 'Turns in a page: 1 to 200, default 50.' },
      {
        name: 'before',
        in: 'query',
        type: 'integer',
        description: 'Only turns accepted before this seq: the `acceptedSeq` of the last one seen.',
      },
    ],
    answers: { 200: { description: 'A page.', schema: turnPageView } },
    answer: list,
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}/turns/{turn}',
    access: 'read',
    tag: 'Turns',
    id: 'getTurn',
    summary: 'Read a turn',
    answers: { 200: { description: 'The turn.', schema: turnView } },
    answer: async (x) => x.json(200, await x.runtime.turn(x.key, x.param('turn'), x.caller)),
  },
  {
    method: 'POST',
    path: '/v1/sessions/{key}/turns/{turn}/cancel',
    access: 'send',
    tag: 'Turns',
    id: 'cancelTurn',
    summary: 'Stop a turn, and wait until it has unwound',
    description: 'Cancelling what is over changes nothing and says so: `changed` is false.',
    body: reasonCall,
    answers: { 200: { description: 'How the turn ended.', schema: cancelResult } },
    answer: cancelTurn,
  },
  {
    method: 'POST',
    path: '/v1/sessions/{key}/cancel',
    access: 'send',
    tag: 'Turns',
    id: 'cancelSession',
    summary: 'Stop the running turn and all that wait',
    body: reasonCall,
    answers: { 200: { description: 'The turns that were stopped.', schema: cancelledView } },
    answer: cancel,
  },
];
