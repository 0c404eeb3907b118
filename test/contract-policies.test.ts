// The six policies, chosen on the command line against a server in a process of its own: what each receipt says, what
// becomes of the message, and that a kill -9 at its worst moment changes neither.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, lines } from './cli-server.ts';
import { ContractServer, THERE, type Logged, type Loose } from './contract-server.ts';

// `stubborn` stays at "one" until the test lets it go, whatever comes meanwhile: nothing here depends on the time.
const CONFIG = `
  ${THERE}
  import { defineAgent, defineConfig } from 'sojourn';
  import { scriptedAgent } from 'sojourn/agent/scripted';

  const stubborn = defineAgent(async function* (turn) {
    const said = turn.inputs.map(({ parts }) => parts[0].text);
    if (said[0] === 'count') {
      yield String(turn.history.filter(({ role }) => role === 'user').length + 1);
    } else if (said[0] === 'one') {
      yield 'begins';
      await there('go-' + turn.session.key.split('-')[0]);
      yield ', ends';
    } else {
      yield said.map((text) => 'You said: ' + text).join(', ');
    }
  }, { rerun: 'safe', steers: true });

  export default defineConfig({ agents: { scripted: scriptedAgent({ wordMs: 0 }), stubborn } });
`;

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start(CONFIG);
});
afterAll(() => server.close());

/** `sojourn send KEY TEXT --policy P --no-wait --json`: the receipt, or the problem. */
async function send(
  key: string,
  text: string,
  policy = 'queue',
  ...more: string[]
): Promise<{ code: number; said: Loose }> {
  const options = ['--policy', policy, '--no-wait', '--json', ...more];
  const { code, out, err } = await cli(server.folder, ['send', key, text, ...options]);
  return { code, said: lines<Loose>(out === '' ? err : out)[0] };
}

/** What people said in each turn, and how it ended, oldest first. */
async function turns(key: string): Promise<string[]> {
  const { body } = await server.get(`/v1/sessions/${key}/turns`);
  return (body.turns as Loose[])
    .map(
      ({ input, outcome, text }) =>
        `${input.map((one: Loose) => one.parts[0].text).join(' + ')}: ${outcome}, ${text}`,
    )
    .toReversed();
}

/** What the transcript shows, with its marks. */
async function transcript(key: string): Promise<string[]> {
  const { body } = await server.get(`/v1/sessions/${key}/transcript`);
  return (body.messages as Loose[]).map(
    ({ role, parts, partial, dropped }) =>
      `${role}: ${parts[0].text}${partial ? ' (partial)' : ''}${dropped ? ' (dropped)' : ''}`,
  );
}

const gapless = (events: readonly Logged[]): boolean => events.every(({ seq }, index) => seq === index + 1);

/** Every accepted turn has one outcome. */
function onceEnded(events: readonly Logged[]): boolean {
  const begun = new Set(events.filter(({ kind }) => kind === 'turn.accepted').map(({ turn }) => turn));
  for (const { kind, body } of events) if (kind === 'turn.requeued') begun.add(body.turn as string);
  const ended = events.filter(({ kind }) => kind === 'turn.ended').map(({ turn }) => turn);
  return ended.length === begun.size && ended.every((turn) => begun.has(turn));
}

const POLICIES = ['reject', 'queue', 'collect', 'interrupt', 'rollback', 'steer'] as const;

/** A session with a turn that does not end before it is let go. */
async function busy(key: string): Promise<{ code: number; said: Loose }> {
  const first = await send(key, 'one', 'queue', '--agent', 'stubborn');
  await server.until(key, ({ kind }) => kind === 'text.delta');
  return first;
}

/** One for each policy, and what two messages with that policy were told. */
async function meet(prefix: string): Promise<Record<string, readonly { code: number; said: Loose }[]>> {
  const met = POLICIES.map(async (policy) => {
    const key = `${prefix}-${policy}`;
    const first = await busy(key);
    return [policy, [first, await send(key, 'two', policy), await send(key, 'three', policy)]] as const;
  });
  return Object.fromEntries(await Promise.all(met));
}

describe('side by side', () => {
  let met: Awaited<ReturnType<typeof meet>>;

  const receipts = (policy: string): Loose[] => (met[policy] ?? []).map(({ said }) => said);
  const turnOf = (policy: string, index: number): string => receipts(policy)[index]?.turn as string;

  const allSay = (): void => {
    for (const policy of POLICIES) {
      expect(met[policy]?.map(({ code }) => code)).toEqual(policy === 'reject' ? [0, 4, 4] : [0, 0, 0]);
      expect(receipts(policy)[0]).toEqual({
        session: expect.any(String),
        turn: expect.any(String),
        seq: 0,
        disposition: 'started',
      });
    }
    expect(receipts('reject')[1]).toMatchObject({ error: { code: 'session.busy', next: 'retry' } });
    expect(receipts('queue')[1]).toMatchObject({ disposition: 'queued', position: 1 });
    expect(receipts('queue')[2]).toMatchObject({ disposition: 'queued', position: 2 });
    expect(receipts('collect')[1]).toMatchObject({ disposition: 'queued', position: 1 });
    expect(receipts('collect')[2]).toMatchObject({ disposition: 'collected', turn: turnOf('collect', 1) });
    for (const policy of ['interrupt', 'rollback']) {
      expect(receipts(policy)[1]).toMatchObject({
        disposition: 'queued',
        position: 1,
        stopped: turnOf(policy, 0),
      });
      expect(receipts(policy)[2]).toMatchObject({ disposition: 'queued', position: 1 });
      expect(receipts(policy)[2]).not.toHaveProperty('stopped');
    }
    for (const index of [1, 2])
      expect(receipts('steer')[index]).toMatchObject({ disposition: 'steered', turn: turnOf('steer', 0) });
  };

  const allEnd = async (prefix: string): Promise<void> => {
    const keys = POLICIES.map((policy) => `${prefix}-${policy}`);
    await Promise.all(keys.map((key) => server.idle(key)));
    const [reject = [], queue = [], collect = [], interrupt = [], rollback = [], steer = []] =
      await Promise.all(keys.map(turns));
    const two = 'two: completed, You said: two';
    const three = 'three: completed, You said: three';
    expect(reject).toEqual(['one: completed, begins, ends']);
    expect(queue).toEqual(['one: completed, begins, ends', two, three]);
    const both = 'two + three: completed, You said: two, You said: three';
    expect(collect).toEqual(['one: completed, begins, ends', both]);
    expect(interrupt).toEqual(['one: cancelled, begins', two, three]);
    expect(rollback).toEqual(['one: cancelled, begins', two, three]);
    expect(steer).toEqual(['one: completed, begins, ends', both]);
    for (const key of keys) {
      const events = await server.events(key);
      expect(gapless(events)).toBe(true);
      expect(onceEnded(events)).toBe(true);
    }
  };

  const remembered = async (prefix: string): Promise<Record<string, string>> => {
    const counts: Record<string, string> = {};
    for (const policy of POLICIES) counts[policy] = (await server.say(`${prefix}-${policy}`, 'count')).text;
    return counts;
  };

  test('each policy says in its receipt what it did, and does it', async () => {
    met = await meet('live');
    server.write('go-live', '');

    allSay();
    await allEnd('live');
    expect(await remembered('live')).toEqual({
      reject: '2',
      queue: '4',
      collect: '4',
      interrupt: '4',
      rollback: '3',
      steer: '4',
    });
    expect(await transcript('live-rollback')).toEqual([
      'user: one (dropped)',
      'assistant: begins (partial) (dropped)',
      'user: three',
      'assistant: You said: three',
      'user: two',
      'assistant: You said: two',
      'user: count',
      'assistant: 3',
    ]);
    const requeued = (await server.events('live-steer')).filter(({ kind }) => kind === 'turn.requeued');
    expect(requeued.map(({ turn, body }) => [turn, body.input.parts[0].text])).toEqual([
      [turnOf('steer', 0), 'two'],
      [turnOf('steer', 0), 'three'],
    ]);
  });

  test('kill -9 right after the receipts, before anything came of them, changes none of it', async () => {
    met = await meet('dead');
    await server.restart();
    server.write('go-dead', '');

    allSay();
    await allEnd('dead');
    expect(await remembered('dead')).toMatchObject({ interrupt: '4', rollback: '3', steer: '4' });
    const begun = (await server.events('dead-queue')).filter(({ kind }) => kind === 'turn.started');
    expect(begun.slice(0, 4).map(({ turn, body }) => [turn, body.attempt])).toEqual([
      [turnOf('queue', 0), 1],
      [turnOf('queue', 0), 2],
      [turnOf('queue', 1), 1],
      [turnOf('queue', 2), 1],
    ]);
    const stopped = (await server.events('dead-interrupt')).filter(({ kind }) => kind === 'turn.started');
    expect(stopped.filter(({ turn }) => turn === turnOf('interrupt', 0))).toHaveLength(1);
  });
});

test('a rollback takes back a turn that is already being interrupted', async () => {
  const { said } = await busy('both');
  await send('both', 'two', 'interrupt');

  const rolled = await send('both', 'three', 'rollback');
  await send('both', 'four', 'rollback');
  server.write('go-both', '');
  await server.idle('both');

  expect(rolled.said).toMatchObject({ disposition: 'queued', position: 1, stopped: said.turn });
  expect((await transcript('both'))[0]).toBe('user: one (dropped)');
  const dropped = (await server.events('both')).filter(({ kind }) => kind === 'turn.dropped');
  expect(dropped.map(({ body }) => body.turn)).toEqual([said.turn]);
});

describe('while a turn waits for a person', () => {
  let receipts: Record<string, { code: number; said: Loose }>;

  test('each policy says what it did, a kill -9 changes nothing, and the person can still answer', async () => {
    receipts = Object.fromEntries(
      await Promise.all(
        POLICIES.map(async (policy) => {
          await send(`asks-${policy}`, '/ask Which colour?');
          await server.until(`asks-${policy}`, ({ kind }) => kind === 'request.opened');
          return [policy, await send(`asks-${policy}`, 'two', policy)] as const;
        }),
      ),
    );
    await server.restart();
    for (const policy of ['interrupt', 'rollback']) await server.idle(`asks-${policy}`);
    const open = (await server.get('/v1/requests')).body.requests as Loose[];

    expect(POLICIES.map((policy) => receipts[policy]?.said.disposition)).toEqual([
      undefined,
      'queued',
      'queued',
      'queued',
      'queued',
      'queued',
    ]);
    expect(receipts.reject?.said.error.code).toBe('session.busy');
    expect(open.map(({ key, text }) => `${key}: ${text}`).toSorted()).toEqual(
      ['collect', 'queue', 'reject', 'steer'].map((policy) => `asks-${policy}: Which colour?`),
    );
    expect((await server.session('asks-queue')).state).toBe('waiting');

    for (const { id } of open)
      expect((await cli(server.folder, ['approve', id, '--answer', 'blue'])).code).toBe(0);
    for (const policy of POLICIES) await server.idle(`asks-${policy}`);

    const asked = '/ask Which colour?: completed, blue';
    const two = 'two: completed, You said: two';
    expect(await turns('asks-reject')).toEqual([asked]);
    for (const policy of ['queue', 'collect', 'steer'])
      expect(await turns(`asks-${policy}`)).toEqual([asked, two]);
    for (const policy of ['interrupt', 'rollback'])
      expect(await turns(`asks-${policy}`)).toEqual(['/ask Which colour?: cancelled, ', two]);
    expect((await transcript('asks-rollback'))[0]).toBe('user: /ask Which colour? (dropped)');
    const closed = (await server.events('asks-interrupt')).find(({ kind }) => kind === 'request.closed');
    expect(closed?.body.decision).toBe('void');
  });
});

describe('a process that dies', () => {
  beforeAll(async () => {
    await send('again', '/words 1000 20');
    await send('again', 'next');
    await server.until('again', ({ kind }) => kind === 'text.delta');
    await send('answered', '/ask Sure?');
    const { body } = await server.until('answered', ({ kind }) => kind === 'request.opened');
    await cli(server.folder, ['approve', body.request as string, '--answer', 'sure']);
    await send('steered', '/words 100 20');
    await server.until('steered', ({ kind }) => kind === 'text.delta');
    await send('steered', 'hint', 'steer');
    await server.until('steered', ({ kind }) => kind === 'turn.steered');
    await server.restart();
  });

  test('loses no answer of a person, and asks for none again', async () => {
    await server.idle('answered');

    expect(await turns('answered')).toEqual(['/ask Sure?: completed, sure']);
    const opened = (await server.events('answered')).filter(({ kind }) => kind === 'request.opened');
    expect(opened).toHaveLength(1);
  });

  test('leaves what was steered in to the next attempt, and shows it once', async () => {
    await server.idle('steered');

    const [turn] = (await server.get('/v1/sessions/steered/turns')).body.turns;
    expect(turn.attempt).toBe(2);
    expect(await turns('steered')).toEqual([
      expect.stringMatching(/^\/words 100 20 \+ hint: completed, w1 .*\(noted: hint\).* w100$/),
    ]);
    expect((await transcript('steered')).filter((line) => line === 'user: hint')).toHaveLength(1);
  });

  test('four times is enough: the turn is given up, its text is kept, and the next one runs', async () => {
    for (const attempt of [2, 3, 4]) {
      const begun = await server.until(
        'again',
        ({ kind, body }) => kind === 'turn.started' && body.attempt === attempt,
      );
      await server.until('again', ({ kind }) => kind === 'text.delta', begun.seq);
      await server.restart();
    }
    await server.idle('again');

    expect(await turns('again')).toEqual([
      expect.stringMatching(/^\/words 1000 20: interrupted, w1/),
      'next: completed, You said: next',
    ]);
    expect(gapless(await server.events('again'))).toBe(true);
  });
});
