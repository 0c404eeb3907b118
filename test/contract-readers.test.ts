// Readers, cancels and repeated calls, over the socket of a real server: who reads disturbs nobody, who comes back misses
// nothing, who cancels is obeyed, and who repeats himself is answered as before.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Block, ContractServer, said, words, type Logged, type Loose } from './contract-server.ts';

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start();
});
afterAll(() => server.close());

/** Reads a session until so many blocks came, or until it is at rest. */
async function read(key: string, options: { after?: number; last?: string; blocks?: number } = {}) {
  const { after = 0, last, blocks = Infinity } = options;
  const got: Block[] = [];
  const headers: Record<string, string> = last === undefined ? {} : { 'Last-Event-ID': last };
  for await (const block of server.follow(`/v1/sessions/${key}/events?until=idle&after=${after}`, {
    headers,
  })) {
    got.push(block);
    if (got.length >= blocks) break;
  }
  return got;
}

describe('two readers of one session', () => {
  test('one leaves and comes back: both end with the same log, and nothing was stopped', async () => {
    const { body } = await server.send('two', '/words 40 15');
    const steady = read('two');
    const before = await read('two', { blocks: 7 });

    const after = await read('two', { last: before.at(-1)?.id ?? '' });
    const whole = await steady;

    expect([...before, ...after]).toEqual(whole);
    expect(whole.map(({ data }) => data.seq)).toEqual(whole.map((_, index) => index + 1));
    expect(whole.map(({ data }) => data)).toEqual(await server.events('two'));
    expect(
      said(
        whole.map(({ data }) => data as Logged),
        body.turn as string,
      ),
    ).toBe(words(40));
    expect(whole.at(-1)?.data.body).toMatchObject({ outcome: 'completed', text: words(40) });
  });

  test('each event comes with its seq as id and its kind as event, and Last-Event-ID goes before after', async () => {
    await server.say('ids', '/words 3 0');

    const blocks = await read('ids', { after: 1, last: '4' });
    const from = await read('ids', { after: 1 });

    expect([from[0]?.id, blocks[0]?.id]).toEqual(['2', '5']);
    expect(blocks).toEqual(from.slice(3));
    expect(from.every(({ id, event, data }) => id === String(data.seq) && event === data.kind)).toBe(true);
  });

  test('a reader that leaves the stream of its own turn does not stop it', async () => {
    let turn = '';
    const body = { input: '/words 20 15' };
    for await (const block of server.follow('/v1/sessions/left/turns', { method: 'POST', body })) {
      if (block.event === 'receipt') turn = block.data.turn as string;
      if (block.event === 'text.delta') break;
    }
    await server.idle('left');

    expect((await server.get(`/v1/sessions/left/turns/${turn}`)).body).toMatchObject({
      outcome: 'completed',
      text: words(20),
    });
  });

  test('a cursor ahead of the log, of another session, or that is none is told apart', async () => {
    await server.say('cursors', 'hello');
    const { headSeq } = await server.session('cursors');
    const { id: other } = (await server.call('PUT', '/v1/sessions/cursors-other', {})).body;
    const at = async (query: string, headers: Record<string, string> = {}) => {
      const { status, body } = await server.get(`/v1/sessions/cursors/events?${query}`, headers);
      return [status, body.code];
    };
    const stream = { Accept: 'text/event-stream' };

    for (const headers of [{}, stream]) {
      expect(await at(`after=${headSeq + 1}`, headers)).toEqual([400, 'cursor.ahead']);
      expect(await at(`after=-1`, headers)).toEqual([400, 'cursor.invalid']);
      expect(await at(`session=${other}`, headers)).toEqual([404, 'cursor.foreign']);
    }
    expect(await at('', { ...stream, 'Last-Event-ID': 'x' })).toEqual([400, 'cursor.invalid']);
    expect(await at('until=noon', stream)).toEqual([400, 'input.invalid']);
    expect((await server.get(`/v1/sessions/cursors/events?after=${headSeq}`)).body).toMatchObject({
      events: [],
      headSeq,
    });
  });

  test('a cursor of an erased session does not read the one that has its key now', async () => {
    await server.say('reborn', '/words 9 0');
    const { id: before, headSeq } = await server.session('reborn');
    await server.call('DELETE', '/v1/sessions/reborn?erase=true');
    await server.say('reborn', '/words 30 0');

    const { status, body } = await server.get(
      `/v1/sessions/reborn/events?after=${headSeq}&session=${before}`,
    );

    expect([status, body.code]).toEqual([404, 'cursor.foreign']);
    expect((await server.session('reborn')).id).not.toBe(before);
  });
});

describe('a cancel', () => {
  const reject = (key: string) => server.send(key, 'next', { policy: 'reject' }, { Prefer: 'wait=10' });

  test('stops the turn, all that waits and its children, and the next turn is not refused', async () => {
    const { body: first } = await server.send('stop', '/spawn scripted /words 100000 20');
    await server.until('stop', ({ kind }) => kind === 'child.started');
    const { body: second } = await server.send('stop', 'two');
    const { body: third } = await server.send('stop', 'three');

    const cancelled = await server.call('POST', '/v1/sessions/stop/cancel', { reason: 'enough' });
    const next = await reject('stop');

    expect(cancelled).toMatchObject({
      status: 200,
      body: { cancelled: [first.turn, second.turn, third.turn] },
    });
    expect(next).toMatchObject({ status: 200, body: { outcome: 'completed', text: 'You said: next' } });
    const { turns } = (await server.get('/v1/sessions/stop/turns')).body;
    expect(turns.map((turn: Loose) => turn.outcome)).toEqual([
      'completed',
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    for (const { error } of turns.slice(1))
      expect(error).toEqual({ code: 'turn.cancelled', message: 'enough' });
    const { sessions } = (await server.get('/v1/sessions?parent=stop')).body;
    expect(sessions).toMatchObject([{ state: 'idle', turn: null }]);
  });

  test('of one turn leaves those that wait, and keeps what was said', async () => {
    const { body: first } = await server.send('one', '/words 100000 10');
    const { body: second } = await server.send('one', 'two');
    const { body: third } = await server.send('one', 'three');
    await server.until('one', ({ kind }) => kind === 'text.delta');
    const cancel = (turn: string) => server.call('POST', `/v1/sessions/one/turns/${turn}/cancel`);

    const waiting = await cancel(second.turn as string);
    const running = await cancel(first.turn as string);
    await server.idle('one');

    expect([waiting.body, running.body]).toEqual([
      { outcome: 'cancelled', changed: true },
      { outcome: 'cancelled', changed: true },
    ]);
    const { body } = await server.get('/v1/sessions/one/transcript');
    expect(body.messages.map(({ role, parts }: Loose) => `${role}: ${parts[0].text}`)).toEqual([
      'user: /words 100000 10',
      expect.stringMatching(/^assistant: w1/),
      'user: three',
      'assistant: You said: three',
    ]);
    expect((await server.get(`/v1/sessions/one/turns/${third.turn}`)).body.outcome).toBe('completed');
  });

  test('of what is over changes nothing and says so', async () => {
    const { id } = await server.say('over', 'hello');
    const before = await server.events('over');

    const again = await server.call('POST', `/v1/sessions/over/turns/${id}/cancel`, {});
    const all = await server.call('POST', '/v1/sessions/over/cancel');

    expect(again).toMatchObject({ status: 200, body: { outcome: 'completed', changed: false } });
    expect(all).toMatchObject({ status: 200, body: { cancelled: [] } });
    expect(await server.events('over')).toEqual(before);
    expect((await server.call('POST', '/v1/sessions/over/turns/none/cancel')).body.code).toBe(
      'turn.not_found',
    );
  });

  test('resolves when an agent that does not listen has unwound, and the next turn is not refused', async () => {
    const { body } = await server.send('deaf', '/deaf 300');
    await server.until('deaf', ({ kind }) => kind === 'text.delta');

    const cancelled = await server.call('POST', `/v1/sessions/deaf/turns/${body.turn}/cancel`);
    const next = await reject('deaf');

    expect(cancelled.body).toEqual({ outcome: 'cancelled', changed: true });
    expect(next.status).toBe(200);
  });
});

describe('the same call twice', () => {
  const key = { 'Idempotency-Key': 'once' };

  test('gives the same receipt, also after a kill -9; another body is refused, another session is another matter', async () => {
    const first = await server.send('once', '/words 3 0', {}, key);
    const again = await server.send('once', '/words 3 0', {}, key);
    await server.restart();
    const later = await server.send('once', '/words 3 0', {}, key);
    const other = await server.send('once', '/words 4 0', {}, key);
    const elsewhere = await server.send('elsewhere', '/words 3 0', {}, key);

    const receipt = { ...first.body, disposition: 'replayed' };
    expect(first).toMatchObject({ status: 202, body: { disposition: 'started' } });
    expect([again.status, again.body]).toEqual([202, receipt]);
    expect([later.status, later.body]).toEqual([202, receipt]);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency.conflict']);
    expect(other.body.detail).toContain('Idempotency-Key once ');
    expect(elsewhere.body.disposition).toBe('started');
    expect((await server.get('/v1/sessions/once/turns')).body.turns).toHaveLength(1);
  });

  test('as a stream replays the turn from its start', async () => {
    const body = { input: '/words 5 0' };
    const stream = async (): Promise<Block[]> => {
      const blocks: Block[] = [];
      const options = { method: 'POST', body, headers: { 'Idempotency-Key': 'streamed' } };
      for await (const block of server.follow('/v1/sessions/streamed/turns', options)) blocks.push(block);
      return blocks;
    };

    const [first, ...events] = await stream();
    const [again, ...replayed] = await stream();

    expect(first).toMatchObject({ event: 'receipt', data: { disposition: 'started' } });
    expect(first?.id).toBeUndefined();
    expect(again?.data).toEqual({ ...first?.data, disposition: 'replayed' });
    expect(events.map(({ event }) => event)).toEqual([
      'turn.accepted',
      'turn.started',
      ...events.filter(({ event }) => event === 'text.delta').map(() => 'text.delta'),
      'message',
      'turn.ended',
    ]);
    expect(replayed).toEqual(events);
  });

  test('that was refused is not remembered', async () => {
    const { body } = await server.send('refused', '/words 100000 10');
    const twice = () => server.send('refused', 'me', { policy: 'reject' }, { 'Idempotency-Key': 'again' });

    const refused = await twice();
    await server.call('POST', `/v1/sessions/refused/turns/${body.turn}/cancel`);
    const taken = await twice();

    expect([refused.status, taken.status]).toEqual([409, 202]);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.body).toMatchObject({ code: 'session.busy', next: 'retry', retryAfterMs: 1_000 });
  });
});

describe('Prefer: wait', () => {
  test('answers 200 with the turn, or 202 with the receipt when it took longer', async () => {
    const quick = await server.send('patient-quick', '/words 2 0', {}, { Prefer: 'wait=10' });
    const slow = await server.send('patient', '/words 100000 20', {}, { Prefer: 'wait=0' });
    await server.call('POST', '/v1/sessions/patient/cancel');

    expect([quick.status, quick.headers.get('preference-applied')]).toEqual([200, 'wait=10']);
    expect(quick.body).toEqual({
      id: expect.any(String),
      state: 'done',
      outcome: 'completed',
      kind: 'user',
      attempt: 1,
      input: [{ id: expect.any(String), parts: [{ type: 'text', text: '/words 2 0' }] }],
      text: 'w1 w2',
      usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
      costUsd: 0,
      error: null,
      acceptedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      endedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      acceptedSeq: 2,
      startSeq: 3,
      endSeq: (await server.session('patient-quick')).headSeq,
    });
    expect([slow.status, slow.headers.get('preference-applied')]).toEqual([202, 'wait=0']);
    expect(slow.body).toMatchObject({ disposition: 'started', turn: expect.any(String) });
  });
});

test('the turns of a session can be read page by page, each once, the newest first', async () => {
  const { body: running } = await server.send('pages', '/words 100000 20');
  const sent = [running.turn as string];
  for (let index = 0; index < 6; index += 1)
    sent.push((await server.send('pages', `m${index}`)).body.turn as string);
  await server.call('POST', `/v1/sessions/pages/turns/${running.turn}/cancel`);
  await server.idle('pages');

  const read: string[] = [];
  for (let before = ''; ;) {
    const { turns } = (await server.get(`/v1/sessions/pages/turns?limit=3${before}`)).body;
    if (turns.length === 0) break;
    read.push(...turns.map(({ id }: Loose) => id as string));
    before = `&before=${turns.at(-1).acceptedSeq}`;
  }

  expect(read).toEqual(sent.toReversed());
});
