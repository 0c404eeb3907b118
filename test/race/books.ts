// Books: what the agents were given, beside what the log says they should have been given.
import type { AgentTurn } from '../../src/agent/agent.ts';
import type { StoredEvent } from '../../src/store/store.ts';
import type { KeptSession } from '../../src/testing/memory-store.ts';
import { textOf, type Part } from '../../src/wire/message.ts';
import type { Run } from './agents.ts';
import { check } from './check.ts';
import { bodyIn, nameIn } from './reading.ts';
import type { World } from './world.ts';

export class Books {
  readonly runs: Run[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** An agent is about to run. */
  begins(run: Run, turn: AgentTurn): void {
    const kept = this.#kept(run.session);
    check(kept !== undefined, () => `turn ${turn.id} runs in a session that is not on disk`);
    const { events } = kept;
    const starts = events.filter((event) => event.kind === 'turn.started' && event.turn === turn.id);
    const isStarted = starts.some((event) => bodyIn(event, 'turn.started').attempt === turn.attempt);
    check(isStarted, () => `attempt ${turn.attempt} of turn ${turn.id} runs, and its start is not on disk`);
    const inputs = inputsOf(events, turn.id).join();
    check(
      inputs === run.inputs.join(),
      () => `turn ${turn.id} was given ${run.inputs.join()}, not ${inputs}`,
    );
    if (run.agent !== 'safe') {
      const before = this.runs.filter((other) => other.turn === run.turn);
      check(before.length === 0, () => `turn ${turn.id} of an agent that must not run twice runs again`);
    }
    const isEnded = events.some((event) => event.kind === 'turn.ended' && event.turn === turn.id);
    check(!isEnded, () => `turn ${turn.id} runs after its end`);
    if (run.agent === 'own') {
      check(
        turn.history.length === 0,
        () => `turn ${turn.id} got a history although its agent keeps its own`,
      );
      return;
    }
    const wanted = historyOf(events, turn.id);
    const given = turn.history.map(({ role, parts }) => lineOf(role, parts));
    check(wanted.join('\n') === given.join('\n'), () => {
      return `turn ${turn.id} was given the history\n  ${given.join('\n  ')}\nand the log has\n  ${wanted.join('\n  ')}`;
    });
    this.#checkFresh(run);
    this.#world.ledger.begins(run);
  }

  /** The agent was resumed after it yielded a call. */
  called(turn: AgentTurn, call: string): void {
    const kept = this.#kept(turn.session.id);
    const isLogged = kept?.events.some(
      (event) => event.kind === 'tool.called' && bodyIn(event, 'tool.called').call === call,
    );
    check(
      isLogged === true || turn.signal.aborted,
      () => `tool call ${call} runs, and the log does not know it`,
    );
  }

  /** An agent got the answer to a question. */
  answered(turn: string, key: string, answer: string): void {
    for (const kept of this.#world.disk.sessions.values()) {
      const opened = kept.events.filter((event) => event.kind === 'request.opened' && event.turn === turn);
      for (const event of opened) {
        const { request, key: asked } = bodyIn(event, 'request.opened');
        if (asked !== key) continue;
        const closed = kept.events.find(
          (other) => other.kind === 'request.closed' && bodyIn(other, 'request.closed').request === request,
        );
        check(closed !== undefined, () => `turn ${turn} got an answer to ${key} that is not on disk`);
        const logged = bodyIn(closed, 'request.closed').answer ?? '';
        check(
          logged === answer,
          () => `turn ${turn} got answer ${answer} to ${key}, and the log has ${logged}`,
        );
        return;
      }
    }
    check(false, () => `turn ${turn} got an answer to ${key}, which the log never asked`);
  }

  /** An agent was told how its child ended. */
  bore(turn: AgentTurn, childTurn: string, outcome: string): void {
    const told = this.#kept(turn.session.id)?.events.filter(
      (event) => event.kind === 'child.ended' && bodyIn(event, 'child.ended').turn === childTurn,
    );
    const [first] = told ?? [];
    check(
      told?.length === 1 && first !== undefined,
      () => `the end of turn ${childTurn} is on disk ${told?.length} times`,
    );
    const logged = bodyIn(first, 'child.ended').outcome;
    check(
      logged === outcome,
      () => `turn ${turn.id} was told that its child ended ${outcome}, not ${logged}`,
    );
  }

  /** When it is all over: every child's end has reached its parent, once. */
  checkEnd(): void {
    for (const { row, turns } of this.#world.disk.sessions.values()) {
      if (row.parent === null) continue;
      const heard = this.#kept(row.parent)?.events.filter(({ kind }) => kind === 'child.ended') ?? [];
      for (const { id, kind } of turns.values()) {
        if (kind !== 'child') continue;
        const ends = heard.filter((event) => bodyIn(event, 'child.ended').turn === id);
        check(ends.length === 1, () => `the end of child ${row.key} reached its parent ${ends.length} times`);
        this.#checkWoken(row.parent, id);
      }
    }
  }

  /** A result that was to wake its parent did so once, unless the parent was closed or had stopped the work itself. */
  #checkWoken(parent: string, turn: string): void {
    const asked = [...this.#world.disk.sessions.values()]
      .flatMap(({ events }) => events)
      .find((event) => event.kind === 'turn.accepted' && event.turn === turn);
    const above = this.#kept(parent);
    if (asked === undefined || above === undefined) return;
    const accepted = above.events.filter((event) => event.kind === 'turn.accepted');
    const woken = accepted.filter((event) => {
      const { child } = (bodyIn(event, 'turn.accepted').metadata ?? {}) as { child?: { turn?: string } };
      return child?.turn === turn;
    });
    const end = above.events.find(
      (event) => event.kind === 'child.ended' && bodyIn(event, 'child.ended').turn === turn,
    );
    const isToWake = bodyIn(asked, 'turn.accepted').parent?.whenDone === 'turn';
    const isSure =
      isToWake &&
      end !== undefined &&
      bodyIn(end, 'child.ended').outcome !== 'cancelled' &&
      above.row.state !== 'closed';
    check(
      woken.length <= (isToWake ? 1 : 0),
      () => `the end of turn ${turn} woke its parent ${woken.length} times`,
    );
    check(woken.length === 1 || !isSure, () => `the end of turn ${turn} did not wake its parent`);
  }

  /** A mark that was made before anybody asked for this turn is seen by its instance. */
  #checkFresh(run: Run): void {
    const mark = this.#world.ledger.markBefore(run);
    check(mark === undefined || run.living.openTick > mark, () => {
      return `turn ${run.turn} runs on ${run.living.name}, opened before a mark that came before it was sent`;
    });
  }

  #kept(id: string): KeptSession | undefined {
    return this.#world.kept(id);
  }
}

/** The names of the messages a turn is about. */
export function inputsOf(events: readonly StoredEvent[], turn: string): string[] {
  const names: string[] = [];
  for (const event of events) {
    if (event.kind === 'turn.accepted' && event.turn === turn) {
      const { input, disposition } = bodyIn(event, 'turn.accepted');
      if (disposition !== 'steered') names.push(nameIn(input));
    }
    if (event.kind === 'turn.requeued' && bodyIn(event, 'turn.requeued').turn === turn)
      names.push(nameIn(bodyIn(event, 'turn.requeued').input));
  }
  return names;
}

/** What was said in turns that have ended and were not dropped, in the order they first started; made from the log alone. */
export function historyOf(events: readonly StoredEvent[], current: string): string[] {
  const dropped = new Set<string>();
  const ended = new Set<string>();
  const order: string[] = [];
  const attemptAt = new Map<string, number>();
  for (const event of events) {
    if (event.turn === null) continue;
    if (event.kind === 'turn.dropped') dropped.add(bodyIn(event, 'turn.dropped').turn);
    if (event.kind === 'turn.ended') ended.add(event.turn);
    if (event.kind !== 'turn.started') continue;
    if (!attemptAt.has(event.turn)) order.push(event.turn);
    attemptAt.set(event.turn, event.seq);
  }
  return order
    .filter((turn) => turn !== current && ended.has(turn) && !dropped.has(turn))
    .flatMap((turn) => [
      ...inputsOf(events, turn).map((name) => `user: ${name}`),
      ...saidIn(events, turn, attemptAt.get(turn) ?? 0),
    ]);
}

function saidIn(events: readonly StoredEvent[], turn: string, attemptSeq: number): string[] {
  const steered = new Set<string>();
  const early: string[] = [];
  const late: string[] = [];
  for (const event of events) {
    if (event.turn !== turn) continue;
    if (event.kind === 'turn.steered') {
      const name = nameIn(bodyIn(event, 'turn.steered').input);
      if (!steered.has(name)) (event.seq < attemptSeq ? early : late).push(`user: ${name}`);
      steered.add(name);
    }
    if (event.kind !== 'message' || event.seq < attemptSeq) continue;
    const { role, parts } = bodyIn(event, 'message');
    late.push(lineOf(role, parts));
  }
  return [...early, ...late];
}

/** One line a message: its role, and what it says. Of what a person said, the name. */
function lineOf(role: string, parts: readonly Part[]): string {
  const text = textOf(parts);
  if (role === 'user') return `user: ${nameIn({ parts })}`;
  const calls = parts.flatMap((part) =>
    part.type === 'tool-call' || part.type === 'tool-result' ? [`${part.type} ${part.call}`] : [],
  );
  return `${role}: ${[text, ...calls].join('|')}`;
}
