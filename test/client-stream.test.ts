import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect, SojournError, type ConnectionChange, type Event } from '../src/client/client.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { hurriedClock, seededRandom, StandIn } from './client-stand-in.ts';

let server: StandIn;

beforeEach(async () => {
  server = new StandIn();
  await server.listen();
});
afterEach(() => server.stop());

function client(options: { random?: () => number; changes?: ConnectionChange[]; stallMs?: number } = {}) {
  return connect({
    url: server.url,
    token: 'soj_test',
    clock: hurriedClock(100),
    random: options.random ?? (() => 0),
    stallMs: options.stallMs ?? 1_000_000,
    onConnection: (change) => options.changes?.push(change),
  });
}

async function collect(events: AsyncIterable<Event>): Promise<Event[]> {
  const all: Event[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const seqs = (events: readonly { seq: number }[]): number[] => events.map((event) => event.seq);

describe('a stream', () => {
  test('shows a turn from its acceptance to its outcome', async () => {
    const events = await collect(client().session('alice').stream('/words 3'));

    expect(events.map((event) => event.kind)).toEqual([
      'turn.accepted',
      'turn.started',
      'text.delta',
      'text.delta',
      'text.delta',
      'turn.ended',
    ]);
  });

  test('loses and repeats nothing, however often its connections are cut', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seededRandom(seed);
      server.log = [];
      server.session = `session-of-${seed}`;
      server.faults = {
        cutAfterBytes: () => Math.floor(random() * 900),
        loseAnswer: () => random() < 0.3,
        refuse: () => (random() < 0.2 ? 'drop' : undefined),
        frames: (event) => (random() < 0.1 ? [event, event] : [event]),
      };

      const events = await collect(client({ random }).session('alice').stream('/words 30'));

      expect(seqs(events), `seed ${seed}`).toEqual(seqs(server.log));
      expect(events.at(-1)?.kind, `seed ${seed}`).toBe('turn.ended');
    }
  });

  test('survives a server that goes away in the middle and comes back, and says so', async () => {
    const changes: ConnectionChange[] = [];
    const events: Event[] = [];

    let restart: Promise<void> | undefined;
    const watched = connect({
      url: server.url,
      clock: hurriedClock(100),
      onConnection: (change) => {
        changes.push(change);
        if (change.state === 'lost') restart ??= server.listen();
      },
    });

    for await (const event of watched.session('alice').stream('/words 40')) {
      events.push(event);
      if (events.length === 5) await server.stop();
    }

    await restart;
    expect(seqs(events)).toEqual(seqs(server.log));
    expect(changes.map((change) => change.state)).toContain('lost');
    expect(changes.at(-1)?.state).toBe('back');
  });

  test('sends a message once, although the answer to it was lost', async () => {
    let lost = 0;
    server.faults = { loseAnswer: () => (lost += 1) <= 3 };

    await collect(client().session('alice').stream('/words 1'));

    const posts = server.requests.filter((request) => request.method === 'POST');
    expect(posts).toHaveLength(4);
    expect(new Set(posts.map((post) => post.key)).size).toBe(1);
    expect(server.log.filter((event) => event.kind === 'turn.accepted')).toHaveLength(1);
  });

  test('shows only its own turn', async () => {
    await server.runTurn('someone-elses', 3);

    const events = await collect(client().session('alice').stream('/words 2'));

    expect(new Set(events.map((event) => event.turn))).toEqual(new Set(['turn-1']));
  });

  test('goes on in the turn that a message became when the running one did not take it', async () => {
    const receipt = { session: server.session, turn: 'running', seq: 0, disposition: 'steered' } as const;
    server.add('turn.accepted', 'running', { input: { id: 'mine', parts: [] }, disposition: 'steered' });
    server.add('turn.requeued', 'running', { input: { id: 'mine', parts: [] }, turn: 'later' });
    server.add('turn.ended', 'running', { outcome: 'completed' });
    server.add('turn.started', 'later', { attempt: 1 });
    server.add('turn.ended', 'later', { outcome: 'completed' });

    const events = await collect(client().session('alice').attach(receipt));

    expect(seqs(events)).toEqual([1, 2, 4, 5]);
  });

  test('shows nothing more once its signal aborts, although more has arrived', async () => {
    await server.runTurn('one', 20);
    const stop = new AbortController();
    const events: Event[] = [];

    const reading = (async () => {
      for await (const event of client().session('alice').follow({ signal: stop.signal })) {
        events.push(event);
        stop.abort();
      }
    })();

    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    expect(seqs(events)).toEqual([1]);
  });

  test('that is left closes its connection', async () => {
    for await (const event of client().session('alice').stream('/words 1000')) {
      if (event.kind === 'text.delta') break;
    }

    while (server.readers > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(server.readers).toBe(0);
  });
});

describe('following a session', () => {
  test('begins after the cursor it is given', async () => {
    await server.runTurn('one', 5);

    const events = await collect(client().session('alice').follow({ after: 3, until: 'idle' }));

    expect(seqs(events)).toEqual([4, 5, 6, 7]);
  });

  test('until idle does not end because a connection ended', async () => {
    const random = seededRandom(7);
    server.faults = { endAfter: () => random() < 0.3 };
    server.state = 'running';
    const running = server.runTurn('one', 40);

    const events = await collect(client().session('alice').follow({ until: 'idle' }));

    await running;
    expect(seqs(events)).toEqual(seqs(server.log));
  });

  test('ends when the session is closed', async () => {
    server.add('session.closed', null, { reason: 'done' });

    const events = await collect(client().session('alice').follow());

    expect(events.map((event) => event.kind)).toEqual(['session.closed']);
  });

  test('ends at once when the session was closed before', async () => {
    server.add('session.closed', null, { reason: 'done' });
    server.state = 'closed';
    server.faults = { endAfter: () => true };

    const events = await collect(client().session('alice').follow({ after: 0 }));

    expect(events).toHaveLength(1);
  });

  test('accepts that pruned events are gone', async () => {
    server.log = [
      { seq: 1, at: '', kind: 'turn.started', turn: 't', body: {} },
      { seq: 9, at: '', kind: 'log.pruned', turn: 't', body: { from: 2, to: 9, message: 'm' } },
      { seq: 10, at: '', kind: 'turn.ended', turn: 't', body: {} },
    ];

    const events = await collect(client().session('alice').follow({ until: 'idle' }));

    expect(seqs(events)).toEqual([1, 9, 10]);
  });

  test('notices a missing event, asks again and gets it', async () => {
    await server.runTurn('one', 3);
    let hidden = 2;
    server.faults = { frames: (event) => (event.seq === 3 && hidden-- > 0 ? [] : [event]) };

    const events = await collect(client().session('alice').follow({ until: 'idle' }));

    expect(seqs(events)).toEqual([1, 2, 3, 4, 5]);
  });

  test('fails with cursor.gap when the server insists on leaving an event out', async () => {
    await server.runTurn('one', 3);
    server.faults = { frames: (event) => (event.seq === 3 ? [] : [event]) };
    const seen: number[] = [];

    const reading = (async () => {
      for await (const event of client().session('alice').follow({ until: 'idle' })) seen.push(event.seq);
    })();

    await expect(reading).rejects.toMatchObject({ code: 'cursor.gap' });
    expect(seen).toEqual([1, 2]);
  });

  test('never continues with another session that was given the same key', async () => {
    await server.runTurn('one', 3);
    server.faults = { endAfter: () => true };
    const seen: Event[] = [];

    const reading = (async () => {
      for await (const event of client().session('alice').follow()) {
        seen.push(event);
        server.session = 'session-2';
      }
    })();

    await expect(reading).rejects.toMatchObject({ code: 'cursor.foreign' });
    expect(seen).toHaveLength(1);
  });

  test('opens a new connection when the old one has fallen silent', async () => {
    await server.runTurn('one', 3);
    server.state = 'running';
    const changes: ConnectionChange[] = [];
    const stop = new AbortController();
    const watched = connect({
      url: server.url,
      clock: hurriedClock(100),
      stallMs: 1_000,
      onConnection: (change) => {
        changes.push(change);
        if (change.state === 'back') stop.abort();
      },
    });

    const reading = collect(watched.session('alice').follow({ signal: stop.signal }));

    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    expect(changes.map((change) => change.state)).toEqual(['lost', 'back']);
    expect(changes[0]).toMatchObject({ error: { code: 'server.unreachable' } });
  });

  test('opens a new connection when nothing answers the first one', async () => {
    await server.runTurn('one', 3);
    let held = false;
    const watched = connect({
      url: server.url,
      clock: hurriedClock(100),
      stallMs: 1_000,
      fetch: (input, init) => {
        if (held || !new Request(input).url.includes('/events')) return fetch(input, init);
        held = true;
        return new Promise((_, reject) => {
          init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
        });
      },
    });

    const events = await collect(watched.session('alice').follow({ until: 'idle' }));

    expect(held).toBe(true);
    expect(seqs(events)).toEqual([1, 2, 3, 4, 5]);
  });

  test('lets its reader take longer over an event than the server may be silent', async () => {
    await server.runTurn('one', 3);
    const clock = new ManualClock();
    const impatient = connect({ url: server.url, clock, stallMs: 5_000, retryMsMax: 0 });
    const events: Event[] = [];

    for await (const event of impatient.session('alice').follow({ until: 'idle' })) {
      events.push(event);
      if (events.length === 1) await clock.advance(20_000);
    }

    expect(seqs(events)).toEqual([1, 2, 3, 4, 5]);
    expect(clock.pending).toBe(0);
  });

  test('stops waiting the moment its signal aborts', async () => {
    await server.stop();
    const stop = new AbortController();
    const patient = connect({
      url: server.url,
      retryMsMax: 1e9,
      onConnection: () => stop.abort(),
      random: () => 1,
    });

    const reading = collect(patient.session('alice').follow({ session: 's', signal: stop.signal }));

    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('gives up with server.unreachable when the server stays away', async () => {
    await server.stop();

    const reading = collect(client().session('alice').follow({ session: 's' }));

    await expect(reading).rejects.toBeInstanceOf(SojournError);
    await expect(reading).rejects.toMatchObject({ code: 'server.unreachable' });
  });

  test('ends at once with an error that says stop', async () => {
    server.faults = {
      refuse: (request) =>
        request.url?.includes('/events')
          ? { status: 401, body: { code: 'auth.required', detail: 'The token was revoked', next: 'stop' } }
          : undefined,
    };

    const reading = collect(client().session('alice').follow());

    await expect(reading).rejects.toMatchObject({ code: 'auth.required', detail: 'The token was revoked' });
    expect(server.requests).toHaveLength(2);
  });
});
