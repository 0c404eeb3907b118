// Control calls: projects, tokens, marks and figures.
import { SojournError } from '../kernel/errors.ts';
import { timeText } from '../log/event.ts';
import type { Caller, TokenView } from '../wire/access.ts';
import type { AgentView, DirtyCall, StatsView, TokenCall } from '../wire/calls.ts';
import { requireScope } from './access.ts';
import type { RuntimeHost } from './host.ts';

const PROJECT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;

export class ControlCalls {
  readonly #host: RuntimeHost;
  readonly #startedMs: number;

  constructor(host: RuntimeHost) {
    this.#host = host;
    this.#startedMs = host.clock.monotonic();
  }

  async dirty(call: DirtyCall, caller: Caller): Promise<{ marked: number }> {
    requireScope(caller, 'operate');
    const { project, agent, key, reason } = call;
    if (project !== undefined && project !== caller.project) requireScope(caller, 'admin');
    // The host itself may mark everything; a token means its own project.
    const within = project ?? (caller.token === null ? undefined : caller.project);
    const id =
      key === undefined ? undefined : (await this.#host.store.byKey(within ?? caller.project, key))?.id;
    if (key !== undefined && id === undefined) return { marked: 0 };
    const marked = this.#host.registry.mark(
      (session, context) =>
        (within === undefined || context.project === within) &&
        (agent === undefined || context.agent === agent) &&
        (id === undefined || session === id),
      reason,
    );
    return { marked };
  }

  agents(caller: Caller): readonly AgentView[] {
    requireScope(caller, 'read');
    const first = this.#host.defaultAgent;
    return [...this.#host.agents].map(([name, agent]) => ({
      name,
      default: name === first,
      capabilities: { ...agent.capabilities },
    }));
  }

  stats(caller: Caller): StatsView {
    requireScope(caller, 'read');
    const host = this.#host;
    const { router, counts } = host;
    const kept = host.registry.stats();
    const now = { running: 0, queued: 0, waiting: 0 };
    for (const session of router.sessions) {
      for (const turn of session.turns()) {
        if (turn.state.kind === 'parked') now.waiting += 1;
        else if (turn.state.kind === 'running' || turn.state.kind === 'ending') now.running += 1;
        else now.queued += 1;
      }
    }
    const store = host.store.stats();
    return {
      live: kept.live,
      ...now,
      evictions: { ...kept.evicted },
      registry: { hits: kept.hits, misses: kept.misses },
      made: kept.made,
      remade: kept.remade,
      remakeFailed: kept.remakeFailed,
      refused: { ...counts.refused },
      turns: { ...counts.turns },
      tails: counts.tails,
      context: host.contextFigures.counts,
      log: { inFlightBytes: host.flow.bytes, appends: store.appends, events: store.events },
      store,
      uptimeMs: Math.round(host.clock.monotonic() - this.#startedMs),
    };
  }

  async projects(caller: Caller): Promise<readonly { name: string; createdAt: string }[]> {
    requireScope(caller, 'admin');
    const rows = await this.#host.store.projects();
    return rows.map((row) => ({ name: row.name, createdAt: timeText(row.createdAt) }));
  }

  async addProject(name: string, caller: Caller): Promise<{ name: string; createdAt: string }> {
    requireScope(caller, 'admin');
    if (!PROJECT_NAME.test(name)) {
      throw new SojournError(
        'input.invalid',
        '/name must be 1 to 63 letters, digits, dots, dashes or underscores, and begin with a letter or digit',
      );
    }
    const at = this.#host.clock.now();
    await this.#host.store.addProject(name, at);
    return { name, createdAt: timeText(at) };
  }

  async removeProject(name: string, caller: Caller): Promise<void> {
    requireScope(caller, 'admin');
    if (name === caller.project)
      throw new SojournError('project.in_use', `Project ${name} is the one this call acts in`);
    const { store, tokens, signIns } = this.#host;
    const own = await store.tokens(name);
    if (!(await store.removeProject(name))) throw noProject(name);
    tokens.removedWith(name);
    signIns.revoked({ project: name, tokens: own.map(({ id }) => id) });
  }

  async tokens(caller: Caller): Promise<readonly TokenView[]> {
    requireScope(caller, 'admin');
    return this.#host.tokens.list(caller.project);
  }

  async addToken(call: TokenCall, caller: Caller): Promise<TokenView & { secret: string }> {
    requireScope(caller, 'admin');
    const project = call.project ?? caller.project;
    if (project !== caller.project) await this.#assertProject(project);
    return this.#host.tokens.add(project, call);
  }

  async removeToken(id: string, caller: Caller): Promise<void> {
    requireScope(caller, 'admin');
    await this.#host.tokens.remove(caller.project, id);
    this.#host.signIns.revoked({ tokens: [id] });
  }

  async #assertProject(name: string): Promise<void> {
    const projects = await this.#host.store.projects();
    if (!projects.some((project) => project.name === name)) throw noProject(name);
  }
}

function noProject(name: string): SojournError {
  return new SojournError('project.not_found', `There is no project ${name.slice(0, 64)}`);
}
