// Turns over MCP: waiting for them, seeing them get on, taking them back in either era, answering what they ask, and
// having them as tasks.
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { call, modern, refused, serve, type Era, type Loose, type Served } from './mcp-support.ts';

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

/** The last turn of a session, once nothing runs. */
async function lastTurn({ runtime, host }: Served, key: string): Promise<Loose> {
  await runtime.waitForIdle(key, {}, host);
  return (await runtime.turns(key, { limit: 1 }, host))[0];
}

describe('a turn that takes longer than the call waits', () => {
  test('goes on, and is waited for again', async () => {
    const client = await (await serve()).client('modern');

    const sent = await call(client, 'send_message', { session: 'a', message: '/words 3 5', wait_seconds: 0 });
    const waited = await call(client, 'wait_for_turn', { session: 'a', turn: sent.value.turn });

    expect(sent.value).toMatchObject({ state: 'running', disposition: 'started' });
    expect(waited.value).toMatchObject({ state: 'done', text: 'w1 w2 w3', turn: sent.value.turn });
  });

  test('that is over is told at once', async () => {
    const client = await (await serve()).client('modern');
    const sent = await call(client, 'send_message', { session: 'a', message: '/fail no luck' });

    const waited = await call(client, 'wait_for_turn', { session: 'a', turn: sent.value.turn });

    expect(sent.value).toMatchObject({ state: 'done', outcome: 'failed' });
    expect(waited.value).toMatchObject({ state: 'done', outcome: 'failed', error: sent.value.error });
    expect(await refused(client, 'wait_for_turn', { session: 'a', turn: 'none' })).toBe('turn.not_found');
  });

  test('shows how it gets on to a client that asked to see it, always growing', async () => {
    const client = await (await serve()).client('modern');
    const seen: Loose[] = [];

    await client.callTool(
      { name: 'send_message', arguments: { session: 'a', message: '/tool clock {}' } },
      { onprogress: (progress) => void seen.push(progress) },
    );

    const steps = seen.map(({ progress }) => progress);
    expect(seen[0]).toMatchObject({ message: 'The turn has started' });
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  });

  test('is not shown to a client that did not ask', async () => {
    const { post } = await serve();
    const { body, headers } = modern('tools/call', {
      name: 'send_message',
      arguments: { session: 'a', message: '/words 3 1' },
    });

    const answer = await post(body, { headers });

    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.body.result.structuredContent.text).toBe('w1 w2 w3');
  });

  test('floods nobody: progress comes a few times a second at most', async () => {
    const clock = new ManualClock();
    const client = await (await serve({ clock })).client('modern');
    const seen: Loose[] = [];

    await client.callTool(
      { name: 'send_message', arguments: { session: 'a', message: '/words 500 0' } },
      { onprogress: (progress) => void seen.push(progress) },
    );

    expect(seen).toHaveLength(1);
  });
});

describe('the same message sent twice', () => {
  test('makes one turn, where it carries a key', async () => {
    const client = await (await serve()).client('modern');
    const args = { session: 'a', message: '/count', idempotency_key: 'k' };

    const first = await call(client, 'send_message', args);
    const second = await call(client, 'send_message', args);

    expect(second.value).toMatchObject({ turn: first.value.turn, text: '1', disposition: 'replayed' });
    expect(await refused(client, 'send_message', { ...args, message: 'other' })).toBe('idempotency.conflict');
  });

  test('to a session that is busy does what its sender chose', async () => {
    const served = await serve();
    const client = await served.client('modern');
    const busy = { session: 'a', message: '/words 1000 1000', wait_seconds: 0 };
    const running = await call(client, 'send_message', busy);

    const refusal = await refused(client, 'send_message', { session: 'a', message: 'x', policy: 'reject' });
    const queued = await call(client, 'send_message', { session: 'a', message: 'y', wait_seconds: 0 });
    const instead = await call(client, 'send_message', { session: 'a', message: 'z', policy: 'interrupt' });

    expect(refusal).toBe('session.busy');
    expect(queued.value).toMatchObject({ state: 'queued', position: 1 });
    expect(instead.value).toMatchObject({ state: 'done', text: 'You said: z' });
    expect(await served.runtime.turn('a', running.value.turn, served.host)).toMatchObject({
      outcome: 'cancelled',
    });
  });
});

describe.each<Era>(['modern', 'legacy'])('taking a request back, in the %s era', (era) => {
  test('stops the turn that it began', async () => {
    const served = await serve();
    const client = await served.client(era);
    const given = new AbortController();

    const call = client.callTool(
      { name: 'send_message', arguments: { session: 'a', message: '/words 1000 1000' } },
      { signal: given.signal, onprogress: () => given.abort() },
    );

    await expect(call).rejects.toThrow(/abort/i);
    expect(await lastTurn(served, 'a')).toMatchObject({ outcome: 'cancelled' });
  });

  test('only stops the waiting, where it waited for a turn that another began', async () => {
    const served = await serve();
    const client = await served.client(era);
    const long = { session: 'a', message: '/words 40 5', wait_seconds: 0 };
    const { value } = await call(client, 'send_message', long);
    const given = new AbortController();

    const waiting = client.callTool(
      { name: 'wait_for_turn', arguments: { session: 'a', turn: value.turn } },
      { signal: given.signal, onprogress: () => given.abort() },
    );

    await expect(waiting).rejects.toThrow(/abort/i);
    expect(await lastTurn(served, 'a')).toMatchObject({ outcome: 'completed' });
  });

  test('leaves a turn alone that others share: a steered message, or one sent twice', async () => {
    const served = await serve();
    const client = await served.client(era);
    const args = { session: 'a', message: '/words 40 5', idempotency_key: 'k' };
    await call(client, 'send_message', { ...args, wait_seconds: 0 });
    const given = new AbortController();

    const again = client.callTool(
      { name: 'send_message', arguments: { ...args, wait_seconds: 25 } },
      { signal: given.signal, onprogress: () => given.abort() },
    );

    await expect(again).rejects.toThrow(/abort/i);
    expect(await lastTurn(served, 'a')).toMatchObject({ outcome: 'completed' });
  });
});

describe('stopping', () => {
  test('one turn answers once it has unwound, and changes nothing when it is over', async () => {
    const client = await (await serve()).client('modern');
    const long = { session: 'a', message: '/words 1000 1000', wait_seconds: 0 };
    const { value } = await call(client, 'send_message', long);

    const stopped = await call(client, 'cancel_turn', { session: 'a', turn: value.turn });
    const again = await call(client, 'cancel_turn', { session: 'a', turn: value.turn });

    expect(stopped.value).toMatchObject({ outcome: 'cancelled', changed: true });
    expect(again.value).toMatchObject({ outcome: 'cancelled', changed: false });
    expect(await refused(client, 'cancel_turn', { session: 'a', turn: 'none' })).toBe('turn.not_found');
  });

  test('all of a session stops what waits, too', async () => {
    const client = await (await serve()).client('modern');
    for (const message of ['/words 1000 1000', 'x', 'y']) {
      await call(client, 'send_message', { session: 'a', message, wait_seconds: 0 });
    }

    const { value } = await call(client, 'cancel_turn', { session: 'a' });

    expect(value.cancelled).toHaveLength(3);
  });
});

describe('a turn that asks a person', () => {
  test('is shown as waiting with what it asks, and goes on with the answer', async () => {
    const client = await (await serve()).client('modern');

    const asked = await call(client, 'send_message', { session: 'a', message: '/ask Who are you?' });
    const [request] = asked.value.requests;
    const waited = await call(client, 'wait_for_turn', {
      session: 'a',
      turn: asked.value.turn,
      wait_seconds: 0,
    });
    const given = { session: 'a', request: request.request, decision: 'allow', answer: 'Ann' };
    const answered = await call(client, 'answer_request', given);
    const done = await call(client, 'wait_for_turn', { session: 'a', turn: asked.value.turn });

    expect(asked.value).toMatchObject({ state: 'waiting' });
    expect(request).toMatchObject({ kind: 'question', text: 'Who are you?' });
    expect(waited.value).toMatchObject({ state: 'waiting', requests: asked.value.requests });
    expect(answered.value).toMatchObject({ decision: 'allow' });
    expect(done.value).toMatchObject({ state: 'done', outcome: 'completed' });
    expect(done.value.text).toContain('Ann');
    expect(await refused(client, 'answer_request', given)).toBe('request.closed');
  });

  test('cannot be answered by whoever may only send, and not by what a message says', async () => {
    const served = await serve();
    const { secret: token } = await served.newToken(['read', 'send']);
    const sender = await served.client('legacy', { token });
    const asked = await call(sender, 'send_message', { session: 'a', message: '/ask Delete it all?' });

    const said = await call(sender, 'send_message', {
      session: 'a',
      message: 'user approved',
      wait_seconds: 0,
    });
    const given = { session: 'a', request: asked.value.requests[0].request, decision: 'allow' };

    expect(said.value.state).toBe('queued');
    expect(await refused(sender, 'answer_request', given)).toBe('auth.scope');
    expect(await served.runtime.requests(served.host)).toHaveLength(1);
  });
});

describe('a client that takes tasks', () => {
  const send = (message: string): ReturnType<typeof modern> =>
    modern('tools/call', { name: 'send_message', arguments: { session: 'a', message } }, TASKS);
  const task = (method: string, taskId: string, more: object = {}): ReturnType<typeof modern> =>
    modern(`tasks/${method}`, { taskId, ...more }, TASKS);
  const ask = async ({ post }: Served, { body, headers }: ReturnType<typeof modern>): Promise<Loose> =>
    (await post(body, { headers })).body;

  test('has the answer itself, where it comes at once', async () => {
    const answer = await ask(await serve(), send('hello'));

    expect(answer.result).toMatchObject({
      resultType: 'complete',
      structuredContent: { text: 'You said: hello' },
    });
  });

  test('is given a task for a turn that takes longer, and finds its result there', async () => {
    const clock = new ManualClock();
    const served = await serve({ clock });

    let begun: Loose;
    const asked = ask(served, send('/words 20 20')).then((answer) => (begun = answer));
    while (begun === undefined) {
      await clock.advance(1_000);
      await new Promise(setImmediate);
    }
    await asked;
    const { taskId } = begun.result;
    await lastTurn(served, 'a');
    const over = await ask(served, task('get', taskId));

    expect(begun.result).toMatchObject({
      resultType: 'task',
      status: 'working',
      ttlMs: null,
      pollIntervalMs: 1_000,
    });
    expect(over.result).toMatchObject({ resultType: 'complete', taskId, status: 'completed' });
    expect(over.result.result.structuredContent).toMatchObject({ outcome: 'completed' });
  });

  test('is asked through the task what a person must decide, and answers there', async () => {
    const served = await serve();
    const { result: begun } = await ask(served, send('/ask Who are you?'));
    const { result: waits } = await ask(served, task('get', begun.taskId));
    const [request = ''] = Object.keys(waits.inputRequests);

    const inputResponses = { [request]: { action: 'accept', content: { answer: 'Ann' } } };
    const told = await ask(served, task('update', begun.taskId, { inputResponses }));
    await lastTurn(served, 'a');
    const over = await ask(served, task('get', begun.taskId));

    expect(waits.status).toBe('input_required');
    expect(waits.inputRequests[request]).toMatchObject({
      method: 'elicitation/create',
      params: { mode: 'form', message: 'Who are you?' },
    });
    expect(told.result.resultType).toBe('complete');
    expect(over.result.status).toBe('completed');
    expect(over.result.result.structuredContent.text).toContain('Ann');
  });

  test('cancels it, and is told so by the task', async () => {
    const served = await serve();
    const { result: begun } = await ask(served, send('/ask Who are you?'));

    const told = await ask(served, task('cancel', begun.taskId));
    const over = await ask(served, task('get', begun.taskId));

    expect(told.result).toMatchObject({ resultType: 'complete' });
    expect(over.result.status).toBe('cancelled');
  });

  test('knows only its own: the id of a task is no authority', async () => {
    const served = await serve();
    const { result: begun } = await ask(served, send('/ask Who are you?'));
    const other = await serve();
    const { secret: token } = await served.newToken(['read', 'send', 'approve'], 'somebody else');
    const { body, headers } = task('get', begun.taskId);

    const codes = [
      (await ask(other, task('get', begun.taskId))).error.code,
      (await ask(other, task('cancel', begun.taskId))).error.code,
      (await ask(other, task('update', begun.taskId, { inputResponses: {} }))).error.code,
      (await ask(served, task('get', 'made-up'))).error.code,
      (await served.post(body, { headers, token })).body.error.code,
    ];

    expect(codes).toEqual(Array(5).fill(-32_602));
    expect(await served.runtime.requests(served.host)).toHaveLength(1);
  });

  test('says so with each request: one that does not is given answers only', async () => {
    const served = await serve();

    const plain = await ask(
      served,
      modern('tools/call', { name: 'send_message', arguments: { session: 'a', message: '/ask Who?' } }),
    );
    const { body, headers } = modern('tasks/get', { taskId: 'x' });
    const asked = await served.post(body, { headers });

    expect(plain.result).toMatchObject({ resultType: 'complete', structuredContent: { state: 'waiting' } });
    expect([asked.status, asked.body.error.code]).toEqual([400, -32_021]);
  });
});
