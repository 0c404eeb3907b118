// Turn calls: messages in, turns and events out, questions answered.
import { hash } from 'node:crypto';
import { canonicalJson } from '../kernel/json.ts';
import { SojournError } from '../kernel/errors.ts';
import type { SessionRow, StoredEvent } from '../store/store.ts';
import type { Caller } from '../wire/access.ts';
import type { AnswerCall, CancelResult, SendOptions, TailCall, TurnCall } from '../wire/calls.ts';
import type { RequestView } from '../wire/session.ts';
import { POLICIES, type Receipt, TURN_KINDS, type TurnView } from '../wire/turn.ts';
import { mayTouch, requireScope } from './access.ts';
import { rowOf, untilIdle, withSession } from './finding.ts';
import type { RuntimeHost } from './host.ts';
import { prepareMessage } from './message.ts';
import type { ArtifactSlice, Tail } from './calls.ts';
import { checkSame, type SessionCalls } from './session-calls.ts';
import { SessionTail } from './tails.ts';
import { requestView, turnView } from './views.ts';

const TURNS_LIMIT = 50;
const TURNS_LIMIT_MAX = 200;
const REQUESTS_MAX = 1_000;
const ONCE_KEY_CHARS_MAX = 255;

export class TurnCalls {
  readonly #host: RuntimeHost;
  readonly #sessions: SessionCalls;

  constructor(host: RuntimeHost, sessions: SessionCalls) {
    this.#host = host;
    this.#sessions = sessions;
  }

  async send(key: string, call: TurnCall, options: SendOptions, caller: Caller): Promise<Receipt> {
    requireScope(caller, 'send');
    if ((call.kind ?? 'user') !== 'user') requireScope(caller, 'operate');
    this.#check(call, options);
    const { agent, channel } = call;
    const opening = {
      ...(agent === undefined ? {} : { agent }),
      ...(channel === undefined ? {} : { channel }),
    };
    const find = () => this.#sessions.findOrMake(key, opening, caller);
    return this.#host.router.using(find, async ({ session, made }) => {
      this.#host.admit();
      if (!made) checkSame(session.core.row, agent === undefined ? {} : { agent });
      const once =
        options.idempotencyKey === undefined
          ? {}
          : { once: { key: `call:${options.idempotencyKey}`, hash: hashOf(call) } };
      const message = await prepareMessage(this.#host, session, call, {
        author: caller.owner ?? caller.token,
        ...once,
      });
      try {
        return await session.send(message);
      } catch (error) {
        this.#count(error);
        throw error;
      }
    });
  }

  async turns(
    key: string,
    options: { limit?: number; before?: number },
    caller: Caller,
  ): Promise<readonly TurnView[]> {
    const row = await rowOf(this.#host, caller, key);
    const limit = Math.min(options.limit ?? TURNS_LIMIT, TURNS_LIMIT_MAX);
    const before = options.before === undefined ? {} : { before: options.before };
    const rows = await this.#host.store.turns(row.num, { limit, ...before });
    return Promise.all(rows.map((turn) => turnView(this.#host.store, turn)));
  }

  async turn(key: string, id: string, caller: Caller): Promise<TurnView> {
    return this.#view(await rowOf(this.#host, caller, key), id);
  }

  async #view(session: SessionRow, id: string): Promise<TurnView> {
    const row = await this.#host.store.turn(session.num, id);
    if (row === null) throw noTurn(session.key, id);
    return turnView(this.#host.store, row);
  }

  async finished(
    key: string,
    id: string,
    options: { waitMs: number; signal?: AbortSignal },
    caller: Caller,
  ): Promise<TurnView | null> {
    return withSession(this.#host, caller, ['read', 'send'], key, async (session) => {
      const turn = session.turn(id);
      if (turn !== undefined && !(await this.#within(turn.over, options))) return null;
      const view = await this.#view(session.core.row, id);
      return view.state === 'done' ? view : null;
    });
  }

  async cancelTurn(key: string, id: string, reason: string, caller: Caller): Promise<CancelResult> {
    return withSession(this.#host, caller, 'send', key, async (session) => {
      const turn = session.turn(id);
      if (turn !== undefined) return session.cancel(turn, reason);
      const row = await this.#host.store.turn(session.core.row.num, id);
      if (row === null) throw noTurn(key, id);
      return { outcome: row.outcome ?? 'completed', changed: false };
    });
  }

  async cancel(key: string, reason: string, caller: Caller): Promise<{ cancelled: readonly string[] }> {
    return withSession(this.#host, caller, 'send', key, async (session) => {
      const [cancelled] = await Promise.all([
        session.cancelAll(reason),
        this.#host.children.cancelBelow(session.id, reason),
      ]);
      // The result of a child that ended meanwhile may have become a turn.
      const late = await session.cancelAll(reason, { only: 'child' });
      return { cancelled: [...cancelled, ...late] };
    });
  }

  async events(
    key: string,
    options: { after: number; limit?: number },
    caller: Caller,
  ): Promise<{ session: string; events: readonly StoredEvent[]; headSeq: number }> {
    const row = await rowOf(this.#host, caller, key);
    await this.#checkCursor(options.after, row);
    const { pageEventsMax, pageBytesMax } = this.#host.limits;
    const eventsMax = Math.min(options.limit ?? pageEventsMax, pageEventsMax);
    const events = await this.#host.store.read(row.num, options.after, {
      eventsMax,
      bytesMax: pageBytesMax,
    });
    return { session: row.id, events, headSeq: Math.max(row.headSeq, events.at(-1)?.seq ?? 0) };
  }

  async tail(key: string, call: TailCall, caller: Caller): Promise<Tail> {
    // Whoever may send a turn may follow it to its end.
    const row = await rowOf(this.#host, caller, key, ...(call.turn === undefined ? [] : (['send'] as const)));
    if (call.session !== undefined && call.session !== row.id) {
      throw new SojournError(
        'cursor.foreign',
        `The cursor belongs to session ${call.session}, not to ${row.id}`,
      );
    }
    const after = call.after ?? 0;
    await this.#checkCursor(after, row);
    const { store, bus, limits } = this.#host;
    const { tailEventsMax: eventsMax, pageEventsMax, pageBytesMax } = limits;
    const { counts } = this.#host;
    counts.tails += 1;
    // A row in memory moves with the log; one from the store is as old as the reading of it.
    const core = this.#host.router.peek(row.id)?.core;
    const { headSeq } = core?.log.num === undefined ? row : core.row;
    return new SessionTail(
      row.id,
      {
        store,
        bus,
        session: row.num,
        after,
        headSeq,
        mayBeMore: core === undefined,
        recent: core?.recent ?? [],
        eventsMax,
        pageEventsMax,
        pageBytesMax,
      },
      {
        ...(call.turn === undefined ? {} : { turn: call.turn }),
        ...(call.untilIdle === true ? { idle: (signal: AbortSignal) => this.#idleHead(row.id, signal) } : {}),
      },
      () => (counts.tails -= 1),
    );
  }

  /** Throws `cursor.invalid` or `cursor.ahead`. A reader may have seen what the writer has not heard of yet: the store knows. */
  async #checkCursor(after: number, { id, headSeq }: SessionRow): Promise<void> {
    if (!Number.isSafeInteger(after) || after < 0)
      throw new SojournError('cursor.invalid', `The cursor ${after} is not a seq`);
    if (after <= headSeq) return;
    const stored = await this.#host.store.byId(id);
    if (after > (stored?.headSeq ?? 0))
      throw new SojournError('cursor.ahead', `The cursor ${after} is beyond headSeq ${headSeq}`);
  }

  async artifacts(
    key: string,
    caller: Caller,
  ): Promise<readonly { id: string; bytes: number; mediaType: string; name: string | null; at: string }[]> {
    const row = await rowOf(this.#host, caller, key);
    const rows = await this.#host.store.artifacts(row.num);
    return rows.map(({ digest, bytes, mediaType, name, at }) => ({
      id: digest,
      bytes,
      mediaType,
      name,
      at: new Date(at).toISOString(),
    }));
  }

  async artifact(
    key: string,
    id: string,
    range: { start: number; end?: number } | undefined,
    caller: Caller,
  ): Promise<ArtifactSlice> {
    const row = await rowOf(this.#host, caller, key);
    const artifact = await this.#host.store.artifact(row.num, id);
    if (artifact === null)
      throw new SojournError('artifact.not_found', `Session ${row.key} has no artifact ${id.slice(0, 64)}`);
    const start = range?.start ?? 0;
    const end = Math.min(range?.end ?? artifact.bytes, artifact.bytes);
    if (start > end || (start === artifact.bytes && artifact.bytes > 0)) {
      throw new SojournError(
        'artifact.range',
        `Artifact ${id} has ${artifact.bytes} bytes; ${start} is past its end`,
      );
    }
    const bytes =
      range === undefined
        ? await this.#host.files.read(row.project, id)
        : await this.#host.files.read(row.project, id, start, end);
    return { bytes, start, total: artifact.bytes, mediaType: artifact.mediaType, name: artifact.name };
  }

  async requests(caller: Caller): Promise<readonly RequestView[]> {
    requireScope(caller, 'read', 'approve');
    const { store } = this.#host;
    const open = await store.openRequests(caller.project, REQUESTS_MAX);
    const seen = open.filter(({ session }) => mayTouch(caller, session));
    const views = await Promise.all(seen.map(({ request, session }) => requestView(store, request, session)));
    return views.filter((view) => view !== null);
  }

  async answer(
    key: string,
    request: string,
    call: AnswerCall,
    caller: Caller,
  ): Promise<{ decision: string }> {
    return withSession(this.#host, caller, 'approve', key, async (session) => {
      if (!session.core.questions.isOpen(request)) {
        const row = await this.#host.store.request(session.core.row.num, request);
        if (row === null)
          throw new SojournError(
            'request.not_found',
            `Session ${key} has no request ${request.slice(0, 64)}`,
          );
        throw new SojournError('request.closed', `Request ${request} is not open any more`);
      }
      await session.answer(request, call, caller.owner ?? caller.token);
      return { decision: call.decision };
    });
  }

  #check(call: TurnCall, options: SendOptions): void {
    const { turnMsMax } = this.#host.limits;
    const wrong = (pointer: string, what: string): never => {
      throw new SojournError('input.invalid', `${pointer} ${what}`);
    };
    const { input, policy, kind, deadlineMs } = call;
    if (typeof input === 'string' ? !input.isWellFormed() : !Array.isArray(input) || input.length === 0) {
      wrong('/input', 'must be well-formed text or a list of at least one part');
    }
    if (policy !== undefined && !POLICIES.includes(policy))
      wrong('/policy', `must be one of ${POLICIES.join(', ')}`);
    if (kind !== undefined && !TURN_KINDS.includes(kind))
      wrong('/kind', `must be one of ${TURN_KINDS.join(', ')}`);
    if (deadlineMs !== undefined && !(deadlineMs >= 1 && deadlineMs <= turnMsMax)) {
      wrong('/deadlineMs', `is ${deadlineMs}; it must be 1 to ${turnMsMax}`);
    }
    const once = options.idempotencyKey;
    if (once !== undefined && (once === '' || once.length > ONCE_KEY_CHARS_MAX || /\p{Cc}/u.test(once))) {
      wrong('Idempotency-Key', `must have 1 to ${ONCE_KEY_CHARS_MAX} characters and no control characters`);
    }
  }

  #count(error: unknown): void {
    const { refused } = this.#host.counts;
    if (SojournError.is(error, 'session.busy')) refused.busy += 1;
    if (SojournError.is(error, 'capacity')) refused.capacity += 1;
    if (SojournError.is(error, 'mailbox.full')) refused.full += 1;
  }

  async #idleHead(id: string, signal: AbortSignal): Promise<number> {
    await untilIdle(this.#host, id, signal);
    const row = await this.#host.store.byId(id);
    return row?.headSeq ?? 0;
  }

  /** False when it took longer, the caller left, or nobody here can say any more. */
  async #within(over: Promise<unknown>, options: { waitMs: number; signal?: AbortSignal }): Promise<boolean> {
    const { signal, waitMs } = options;
    const given = Promise.withResolvers<boolean>();
    const give = (): void => given.resolve(false);
    const timer = this.#host.clock.after(waitMs, give);
    signal?.addEventListener('abort', give, { once: true });
    if (signal?.aborted === true) give();
    const ended = over.then(
      () => true,
      () => false,
    );
    try {
      return await Promise.race([ended, given.promise]);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', give);
    }
  }
}

function noTurn(key: string, id: string): SojournError {
  return new SojournError(
    'turn.not_found',
    `Session ${JSON.stringify(key).slice(0, 64)} has no turn ${id.slice(0, 64)}`,
  );
}

function hashOf(call: TurnCall): string {
  return hash('sha256', canonicalJson(call));
}
