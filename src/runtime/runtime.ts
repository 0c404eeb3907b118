// Runtime: sessions, for whoever calls. Checks scopes, finds the session, and hands over to it.
//
//   F1. In every call the caller comes last; without one the host itself calls: project `default`, all scopes.
//   F2. Nothing is refused for want of a place after a receipt; nothing is accepted once shutting down has begun.
//   F3. Shutting down: turns get `graceMs` to end, then their signal; those that waited, and those of `rerun: safe`
//       agents, go on after the next start. Idempotent.
import { SojournError } from '../kernel/errors.ts';
import type { Agent } from '../agent/agent.ts';
import type { Session } from '../session/session.ts';
import type { Caller, TokenView } from '../wire/access.ts';
import type {
  AgentView,
  AnswerCall,
  CancelResult,
  DirtyCall,
  ForkCall,
  ImportCall,
  ImportedSession,
  OpenCall,
  SendOptions,
  SessionQuery,
  StatsView,
  TailCall,
  TokenCall,
  TurnCall,
  UpdateCall,
} from '../wire/calls.ts';
import type { ContextView, ReadBack, ReadBackCall } from '../wire/context.ts';
import type { TranscriptMessage } from '../wire/message.ts';
import type { RequestView, SessionView, TreeNode } from '../wire/session.ts';
import type { Receipt, TurnView } from '../wire/turn.ts';
import { hostCaller } from './access.ts';
import type { ArtifactSlice, RuntimeCalls, Tail } from './calls.ts';
import { Collecting } from './collecting.ts';
import { ContextCalls } from './context-calls.ts';
import { ControlCalls } from './control-calls.ts';
import { untilIdle } from './finding.ts';
import { Forgetting } from './forgetting.ts';
import type { RuntimeHost } from './host.ts';
import { Importing } from './importing.ts';
import { Portability } from './portability.ts';
import { ReadBackCalls } from './read-back-calls.ts';
import { SessionRegistry } from './registry.ts';
import { SessionCalls } from './session-calls.ts';
import { clearStaged } from './staging.ts';
import { RuntimeSignIns } from './sign-in-calls.ts';
import { TimelineCalls } from './timeline-calls.ts';
import { TurnCalls } from './turn-calls.ts';

export type { ArtifactSlice, RuntimeCalls, Tail } from './calls.ts';

const GRACE_MS = 10_000;
const RECOVERED_AT_ONCE = 100;

export class Runtime implements RuntimeCalls {
  readonly #host: RuntimeHost;
  readonly #sessions: SessionCalls;
  readonly #turns: TurnCalls;
  readonly #context: ContextCalls;
  readonly #readBack: ReadBackCalls;
  readonly #control: ControlCalls;
  readonly #portability: Portability;
  readonly #importing: Importing;
  readonly signIns: RuntimeSignIns;
  readonly timeline: TimelineCalls;
  /** Live sessions, for the host itself: nothing asks who it is. */
  readonly registry: SessionRegistry;
  #health: RuntimeCalls['health'] = 'starting';
  #shutdown: Promise<void> | undefined;
  readonly #forgetting: Forgetting;
  readonly #collecting: Collecting;

  /** Use `createRuntime`. */
  constructor(host: RuntimeHost) {
    this.#host = host;
    this.#sessions = new SessionCalls(host);
    this.#turns = new TurnCalls(host, this.#sessions);
    this.#context = new ContextCalls(host);
    this.#readBack = new ReadBackCalls(host);
    this.#control = new ControlCalls(host);
    this.#portability = new Portability(host);
    this.#importing = new Importing(host, this.#portability);
    this.signIns = new RuntimeSignIns(host);
    this.timeline = new TimelineCalls(host);
    this.registry = new SessionRegistry(host);
    this.#forgetting = new Forgetting(host);
    this.#collecting = new Collecting(host);
    void host.store.failed.then(() => (this.#health = 'failed')); // Never rejects.
  }

  get health(): RuntimeCalls['health'] {
    return this.#health;
  }

  open(
    key: string,
    call: OpenCall = {},
    caller = hostCaller(),
  ): Promise<{ created: boolean; session: SessionView }> {
    return this.#sessions.open(key, call, caller);
  }

  session(key: string, caller = hostCaller()): Promise<SessionView> {
    return this.#sessions.get(key, caller);
  }

  sessions(query: SessionQuery = {}, caller = hostCaller()): ReturnType<RuntimeCalls['sessions']> {
    return this.#sessions.list(query, caller);
  }

  update(key: string, call: UpdateCall, caller = hostCaller()): Promise<SessionView> {
    return this.#sessions.update(key, call, caller);
  }

  close(
    key: string,
    options: { reason?: string; erase?: boolean } = {},
    caller = hostCaller(),
  ): Promise<SessionView | null> {
    return this.#sessions.close(key, options, caller);
  }

  evict(key: string, caller = hostCaller()): Promise<boolean> {
    return this.#sessions.evict(key, caller);
  }

  fork(key: string, call: ForkCall, caller = hostCaller()): Promise<SessionView> {
    return this.#portability.fork(key, call, caller);
  }

  export(key: string, caller = hostCaller()): Promise<AsyncIterable<string>> {
    return this.#portability.export(key, caller);
  }

  import(
    key: string,
    lines: AsyncIterable<string>,
    call: ImportCall = {},
    caller = hostCaller(),
  ): Promise<ImportedSession> {
    return this.#importing.import(key, lines, call, caller);
  }

  transcript(key: string, caller = hostCaller()): Promise<readonly TranscriptMessage[]> {
    return this.#sessions.transcript(key, caller);
  }

  tree(key: string, caller = hostCaller()): Promise<TreeNode> {
    return this.#sessions.tree(key, caller);
  }

  context(key: string, caller = hostCaller()): Promise<ContextView> {
    return this.#context.context(key, caller);
  }

  readBack(
    key: string,
    call: ReadBackCall,
    options: { signal?: AbortSignal } = {},
    caller = hostCaller(),
  ): Promise<ReadBack> {
    return this.#readBack.readBack(key, call, options, caller);
  }

  addAlias(key: string, alias: string, caller = hostCaller()): Promise<void> {
    return this.#sessions.addAlias(key, alias, caller);
  }

  send(key: string, call: TurnCall, options: SendOptions = {}, caller = hostCaller()): Promise<Receipt> {
    return this.#turns.send(key, call, options, caller);
  }

  turns(
    key: string,
    options: { limit?: number; before?: number } = {},
    caller = hostCaller(),
  ): Promise<readonly TurnView[]> {
    return this.#turns.turns(key, options, caller);
  }

  turn(key: string, turn: string, caller = hostCaller()): Promise<TurnView> {
    return this.#turns.turn(key, turn, caller);
  }

  finished(
    key: string,
    turn: string,
    options: { waitMs: number; signal?: AbortSignal },
    caller = hostCaller(),
  ): Promise<TurnView | null> {
    return this.#turns.finished(key, turn, options, caller);
  }

  cancelTurn(key: string, turn: string, reason = 'asked', caller = hostCaller()): Promise<CancelResult> {
    return this.#turns.cancelTurn(key, turn, reason, caller);
  }

  cancel(key: string, reason = 'asked', caller = hostCaller()): Promise<{ cancelled: readonly string[] }> {
    return this.#turns.cancel(key, reason, caller);
  }

  events(
    key: string,
    options: { after: number; limit?: number },
    caller = hostCaller(),
  ): ReturnType<RuntimeCalls['events']> {
    return this.#turns.events(key, options, caller);
  }

  tail(key: string, call: TailCall = {}, caller = hostCaller()): Promise<Tail> {
    return this.#turns.tail(key, call, caller);
  }

  artifacts(key: string, caller = hostCaller()): ReturnType<RuntimeCalls['artifacts']> {
    return this.#turns.artifacts(key, caller);
  }

  artifact(
    key: string,
    id: string,
    range?: { start: number; end?: number },
    caller = hostCaller(),
  ): Promise<ArtifactSlice> {
    return this.#turns.artifact(key, id, range, caller);
  }

  requests(caller = hostCaller()): Promise<readonly RequestView[]> {
    return this.#turns.requests(caller);
  }

  answer(
    key: string,
    request: string,
    call: AnswerCall,
    caller = hostCaller(),
  ): Promise<{ decision: string }> {
    return this.#turns.answer(key, request, call, caller);
  }

  dirty(call: DirtyCall, caller = hostCaller()): Promise<{ marked: number }> {
    return this.#control.dirty(call, caller);
  }

  agents(caller = hostCaller()): readonly AgentView[] {
    return this.#control.agents(caller);
  }

  stats(caller = hostCaller()): StatsView {
    return this.#control.stats(caller);
  }

  projects(caller = hostCaller()): ReturnType<RuntimeCalls['projects']> {
    return this.#control.projects(caller);
  }

  addProject(name: string, caller = hostCaller()): ReturnType<RuntimeCalls['addProject']> {
    return this.#control.addProject(name, caller);
  }

  removeProject(name: string, caller = hostCaller()): Promise<void> {
    return this.#control.removeProject(name, caller);
  }

  tokens(caller = hostCaller()): Promise<readonly TokenView[]> {
    return this.#control.tokens(caller);
  }

  addToken(call: TokenCall, caller = hostCaller()): Promise<TokenView & { secret: string }> {
    return this.#control.addToken(call, caller);
  }

  removeToken(id: string, caller = hostCaller()): Promise<void> {
    return this.#control.removeToken(id, caller);
  }

  async authenticate(secret: string): Promise<Caller | null> {
    const speaker = await this.signIns.authenticate(secret);
    return speaker === undefined ? this.#host.tokens.authenticate(secret) : speaker;
  }

  watchToken(caller: Caller, ended: () => void): () => void {
    const { tokens, signIns } = this.#host;
    return caller.signIn === undefined ? tokens.watch(caller, ended) : signIns.watch(caller.signIn.id, ended);
  }

  /** Resolves when nothing of the session runs or waits. Aborting the wait changes nothing for the session. */
  async waitForIdle(
    key: string,
    options: { signal?: AbortSignal } = {},
    caller = hostCaller(),
  ): Promise<void> {
    const { id } = await this.session(key, caller);
    await untilIdle(this.#host, id, options.signal);
  }

  async hasActiveTurn(key: string, caller = hostCaller()): Promise<boolean> {
    const { id } = await this.session(key, caller);
    return (
      this.#host.router
        .peek(id)
        ?.turns()
        .some((turn) => turn.state.kind !== 'done') ?? false
    );
  }

  /** A turn of kind `user` runs, waits, or waits for a person, anywhere in the project. What background work asks first. */
  hasActiveUserTurn(project: string): boolean {
    for (const session of this.#host.router.sessions) {
      if (session.core.row.project !== project) continue;
      if (session.turns().some((turn) => turn.spec.kind === 'user')) return true;
    }
    return false;
  }

  /** Other definitions under the same or other names. Mark sessions dirty to have them remade with these. */
  replaceAgents(agents: Readonly<Record<string, Agent>>, defaultAgent?: string): void {
    this.#host.replaceAgents(agents, defaultAgent);
  }

  /** Takes up what a crash left; `createRuntime` calls it. */
  async recover(): Promise<void> {
    const { store, clock, logger } = this.#host;
    const projects = await store.projects();
    if (!projects.some((project) => project.name === 'default'))
      await store.addProject('default', clock.now());
    await clearStaged(this.#host);
    await this.#forgetting.begin();
    this.#collecting.begin();
    this.#host.signIns.start();
    let recovered = 0;
    for (let after = 0; ;) {
      const rows = await store.unfinished(after, RECOVERED_AT_ONCE);
      if (rows.length === 0) break;
      after = rows.at(-1)?.num ?? after;
      recovered += rows.length;
      await Promise.all(
        rows.map(async (row) => {
          try {
            await this.#host.router.findById(row.id);
          } catch (error) {
            logger.error('recovery.failed', { session: row.id, error });
          }
        }),
      );
    }
    if (recovered > 0) logger.info('recovery.done', { sessions: recovered });
    if (this.#health === 'starting') this.#health = 'ready';
  }

  shutdown(graceMs = GRACE_MS): Promise<void> {
    this.#shutdown ??= this.#drain(graceMs);
    return this.#shutdown;
  }

  /** F3. */
  async #drain(graceMs: number): Promise<void> {
    const host = this.#host;
    const { router, idle } = host;
    const cleaned = Promise.all([this.#forgetting.end(), this.#collecting.end()]);
    host.drain();
    router.drain();
    if (this.#health !== 'failed') this.#health = 'draining';
    const begun = (): Session[] => [...router.sessions].filter((session) => session.begun);
    const deadline = new AbortController();
    const timer = host.clock.after(graceMs, () => deadline.abort());
    await Promise.all(
      begun().map((session) =>
        idle.until(session.id, () => !session.begun, deadline.signal).catch(() => undefined),
      ),
    );
    timer.cancel();
    await Promise.all([...router.sessions].map((session) => session.stopForShutdown()));
    await router.gone();
    await host.registry.shutdown(0);
    await Promise.all([...router.sessions].map((session) => session.core.log.settled()));
    // What waits is in the store; who waited for it here is told that it will not be heard of.
    const over = new SojournError('runtime.draining', 'The runtime has shut down');
    idle.end(over);
    for (const session of router.sessions) session.drop(over);
    await Promise.all([cleaned, host.milestones.settled()]);
    await Promise.all([host.signIns.close(), host.countedTexts.close()]);
    await host.store.close();
  }
}
