// A runtime in a few Maps: enough of one to try a face on, and quick enough to measure it.
import { SojournError } from '../src/kernel/errors.ts';
import { checkKey } from '../src/runtime/access.ts';
import type { ArtifactSlice, RuntimeCalls, Tail } from '../src/runtime/runtime.ts';
import type { StoredEvent } from '../src/store/store.ts';
import { SCOPES, type Caller, type TokenView } from '../src/wire/access.ts';
import type { OpenCall, StatsView, TailCall, TokenCall, TurnCall } from '../src/wire/calls.ts';
import { noUsage, type SessionView } from '../src/wire/session.ts';
import type { Receipt, TurnView } from '../src/wire/turn.ts';

const AT = '2030-01-01T00:00:00.000Z';

interface Session {
  view: SessionView;
  events: StoredEvent[];
  turns: Map<string, TurnView>;
  tails: Set<() => void>;
}

export class StandIn implements RuntimeCalls {
  health: RuntimeCalls['health'] = 'ready';
  /** Words a turn says. */
  words = ['You ', 'said: ', 'hello'];
  /** Turns do not end by themselves. */
  hangs = false;
  calls: { name: string; call: unknown }[] = [];
  artifactBytes = Buffer.from('0123456789'.repeat(200_000));
  artifactType = 'text/plain';
  readonly #sessions = new Map<string, Session>();
  readonly #tokens = new Map<string, { caller: Caller; watchers: Set<() => void> }>();
  #ids = 0;

  token(caller: Partial<Caller> = {}): string {
    const id = `t${++this.#ids}`;
    const secret = `soj_${id}_${'x'.repeat(30)}`;
    const full = { token: id, project: 'default', owner: null, scopes: new Set(SCOPES), ...caller };
    this.#tokens.set(secret, { caller: full, watchers: new Set() });
    return secret;
  }

  revoke(secret: string): void {
    const held = this.#tokens.get(secret);
    this.#tokens.delete(secret);
    for (const ended of held?.watchers ?? []) ended();
  }

  async authenticate(secret: string): Promise<Caller | null> {
    return this.#tokens.get(secret)?.caller ?? null;
  }

  watchToken(caller: Caller, ended: () => void): () => void {
    const held = [...this.#tokens.values()].find((one) => one.caller.token === caller.token);
    held?.watchers.add(ended);
    return () => void held?.watchers.delete(ended);
  }

  tailsOf(key: string): number {
    return this.#sessions.get(`default/${key}`)?.tails.size ?? 0;
  }

  async open(key: string, call: OpenCall = {}, caller?: Caller) {
    const name = this.#name(key, caller);
    const held = this.#sessions.get(name);
    if (held !== undefined) return { created: false, session: held.view };
    const view: SessionView = {
      id: `s${++this.#ids}`,
      key,
      project: caller?.project ?? 'default',
      agent: call.agent ?? 'scripted',
      owner: null,
      channel: null,
      title: call.title ?? null,
      summary: null,
      labels: call.labels ?? [],
      metadata: call.metadata ?? {},
      state: 'idle',
      live: false,
      generation: 0,
      dirty: false,
      headSeq: 0,
      turn: null,
      queued: 0,
      usage: noUsage(),
      costUsd: 0,
      budget: {},
      parent: null,
      createdAt: AT,
      lastActiveAt: AT,
    };
    this.#sessions.set(name, { view, events: [], turns: new Map(), tails: new Set() });
    return { created: true, session: view };
  }

  async session(key: string, caller?: Caller) {
    return this.#held(key, caller).view;
  }

  async sessions(query: object = {}) {
    this.calls.push({ name: 'sessions', call: query });
    return { sessions: [...this.#sessions.values()].map(({ view }) => view), nextCursor: null };
  }

  async update(key: string, call: object, caller?: Caller) {
    this.calls.push({ name: 'update', call });
    return this.#held(key, caller).view;
  }

  async close(key: string, options: { erase?: boolean } = {}, caller?: Caller) {
    const held = this.#held(key, caller);
    if (options.erase) this.#sessions.delete(this.#name(key, caller));
    held.view.state = 'closed';
    return options.erase ? null : held.view;
  }

  async evict(key: string, caller?: Caller) {
    return this.#held(key, caller).view.live;
  }

  async fork(key: string, call: { key: string }, caller?: Caller) {
    this.#held(key, caller);
    return (await this.open(call.key, {}, caller)).session;
  }

  async export(key: string, caller?: Caller) {
    const { events } = this.#held(key, caller);
    return (async function* lines() {
      for (const event of events) yield JSON.stringify(event);
    })();
  }

  async import(key: string, lines: AsyncIterable<string>, caller?: Caller) {
    const taken: string[] = [];
    for await (const line of lines) taken.push(line);
    this.calls.push({ name: 'import', call: taken });
    return (await this.open(key, {}, caller)).session;
  }

  async transcript(key: string, caller?: Caller) {
    this.#held(key, caller);
    return [];
  }

  async tree(key: string, caller?: Caller) {
    return { session: this.#held(key, caller).view, children: [], usage: noUsage(), costUsd: 0 };
  }

  async addAlias() {}

  async send(key: string, call: TurnCall, options: object = {}, caller?: Caller): Promise<Receipt> {
    this.calls.push({ name: 'send', call: { ...call, ...options } });
    await this.open(key, {}, caller);
    const held = this.#held(key, caller);
    const turn = `u${++this.#ids}`;
    const seq = held.view.headSeq;
    this.#append(held, 'turn.accepted', turn, { input: { id: 'i', parts: [] } });
    held.turns.set(turn, turnView(turn));
    if (!this.hangs) queueMicrotask(() => this.#run(held, turn));
    return { session: held.view.id, turn, seq, disposition: 'started' };
  }

  #run(held: Session, turn: string): void {
    this.#append(held, 'turn.started', turn, { attempt: 1 });
    for (const text of this.words) this.#append(held, 'text.delta', turn, { text, message: 'm' });
    this.#append(held, 'turn.ended', turn, { outcome: 'completed', text: this.words.join('') });
    held.turns.set(turn, { ...turnView(turn), state: 'done', outcome: 'completed' });
  }

  say(key: string, text: string): void {
    this.#append(this.#held(key), 'custom', null, { name: 'said', data: text });
  }

  async turns(key: string, _options: object = {}, caller?: Caller) {
    return [...this.#held(key, caller).turns.values()];
  }

  async turn(key: string, turn: string, caller?: Caller) {
    const view = this.#held(key, caller).turns.get(turn);
    if (view === undefined) throw new SojournError('turn.not_found', 'No such turn');
    return view;
  }

  async finished(key: string, turn: string, options: { waitMs: number; signal?: AbortSignal }) {
    if (this.hangs) return null;
    void options;
    await Promise.resolve();
    return this.turn(key, turn);
  }

  async cancelTurn() {
    return { outcome: 'cancelled', changed: true };
  }

  async cancel() {
    return { cancelled: [] };
  }

  async events(key: string, options: { after: number; limit?: number }, caller?: Caller) {
    const { view, events } = this.#held(key, caller);
    if (options.after > view.headSeq) throw new SojournError('cursor.ahead', 'Beyond the head');
    const page = events.slice(options.after, options.after + (options.limit ?? 1_000));
    return { session: view.id, events: page, headSeq: view.headSeq };
  }

  async tail(key: string, call: TailCall = {}, caller?: Caller): Promise<Tail> {
    const held = this.#held(key, caller);
    const { events, view, tails } = held;
    if (call.session !== undefined && call.session !== view.id) {
      throw new SojournError('cursor.foreign', 'Another session');
    }
    let { after = 0 } = call;
    if (after > view.headSeq) throw new SojournError('cursor.ahead', 'Beyond the head');
    let open = true;
    let wake = (): void => {};
    const nudge = (): void => wake();
    tails.add(nudge);
    const close = (): void => {
      open = false;
      tails.delete(nudge);
      wake();
    };
    return {
      session: view.id,
      headSeq: view.headSeq,
      close,
      async next() {
        for (;;) {
          if (!open) return [];
          const batch = events.slice(after, after + 1_000);
          after += batch.length;
          if (batch.length > 0) {
            if (call.turn !== undefined && batch.at(-1)?.kind === 'turn.ended') open = false;
            return batch;
          }
          if (call.untilIdle) return [];
          await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    };
  }

  async artifacts() {
    const { artifactBytes, artifactType: mediaType } = this;
    return [{ id: 'a1', bytes: artifactBytes.length, mediaType, name: 'page.html', at: AT }];
  }

  async artifact(_key: string, _id: string, range?: { start: number; end?: number }): Promise<ArtifactSlice> {
    const start = range?.start ?? 0;
    const bytes = this.artifactBytes.subarray(start, range?.end);
    const { artifactType: mediaType } = this;
    return { bytes, start, total: this.artifactBytes.length, mediaType, name: null };
  }

  async requests() {
    return [];
  }

  async answer(_key: string, _request: string, call: { decision: string }) {
    return { decision: call.decision };
  }

  async dirty(call: object) {
    this.calls.push({ name: 'dirty', call });
    return { marked: 1 };
  }

  agents() {
    return [];
  }

  stats(): StatsView {
    const zero = { appends: 0, events: 0 };
    const store = { commits: 0, commitMsP50: 0, commitMsP99: 0, pending: 0, fileBytes: 0, ...zero };
    return {
      live: this.#sessions.size,
      running: 0,
      queued: 0,
      waiting: 0,
      evictions: { idle: 1 },
      made: 0,
      remade: 0,
      remakeFailed: 0,
      refused: { busy: 0, capacity: 0, full: 0 },
      turns: { completed: 2 },
      tails: 0,
      log: { inFlightBytes: 0, ...zero },
      store,
      uptimeMs: 1,
    };
  }

  async projects() {
    return ['default', 'other'].map((name) => ({ name, createdAt: AT }));
  }

  async addProject(name: string) {
    return { name, createdAt: AT };
  }

  async removeProject() {}

  async tokens(): Promise<TokenView[]> {
    return [];
  }

  async addToken(call: TokenCall) {
    const { name, scopes } = call;
    const secret = this.token({ scopes: new Set(scopes) });
    return { id: 't', name, scopes, project: 'default', owner: null, createdAt: AT, expiresAt: null, secret };
  }

  async removeToken() {}

  async shutdown() {
    this.health = 'draining';
  }

  #name(key: string, caller?: Caller): string {
    return `${caller?.project ?? 'default'}/${checkKey(key)}`;
  }

  #held(key: string, caller?: Caller): Session {
    const held = this.#sessions.get(this.#name(key, caller));
    if (held === undefined) throw new SojournError('session.not_found', 'No such session');
    return held;
  }

  #append(held: Session, kind: string, turn: string | null, body: object): void {
    const seq = ++held.view.headSeq;
    held.events.push({ seq, at: 0, kind, turn, body: JSON.stringify(body) });
    for (const nudge of held.tails) nudge();
  }
}

function turnView(id: string): TurnView {
  return {
    id,
    state: 'running',
    outcome: null,
    kind: 'user',
    attempt: 1,
    input: [],
    text: '',
    usage: noUsage(),
    costUsd: 0,
    error: null,
    acceptedAt: AT,
    startedAt: null,
    endedAt: null,
    startSeq: null,
    endSeq: null,
  };
}
