// Agent turn: what the agent sees of the turn it runs.
import { assert, SojournError } from '../kernel/errors.ts';
import type { AgentTurn, Answer, Question } from '../agent/agent.ts';
import { Fitting } from '../context/fitting.ts';
import { masked } from '../kernel/secret.ts';
import type { Draft, SessionLog } from '../log/session-log.ts';
import type { ReadBack, ReadBackCall } from '../wire/context.ts';
import type { Input, Message } from '../wire/message.ts';
import type { HandOff } from '../wire/turn.ts';
import type { SessionCore } from './core.ts';
import { boundedHandOff } from './hand-off.ts';
import type { SessionHost } from './host.ts';
import type { LiveSession } from './live.ts';
import { type Questions, questionHash } from './questions.ts';
import { keepSnapshot } from './snapshot.ts';
import type { Ask, AskEnd, Turn } from './turn.ts';
import type { TurnRun } from './turn-run.ts';

export interface AgentTurnParts {
  session: SessionCore;
  host: SessionHost;
  turn: Turn;
  live: LiveSession;
  log: SessionLog;
  questions: Questions;
  run: TurnRun;
  abort: AbortController;
  inputs: readonly Input[];
  history: readonly Message[];
  afterCrash: boolean;
  /** What goes with the turn's end. */
  left: { completed: boolean; handOff?: HandOff };
}

export function agentTurn(parts: AgentTurnParts): AgentTurn {
  const { turn, live, host, run, abort } = parts;
  const children = host.children.of(parts.session, turn, abort.signal);
  /** Keys that this attempt waits for. */
  const asking = new Set<string>();
  return {
    id: turn.id,
    session: live.facts,
    kind: turn.spec.kind,
    author: turn.spec.author,
    channel: turn.spec.channel,
    attempt: turn.attempt,
    afterCrash: parts.afterCrash,
    inputs: parts.inputs,
    history: parts.history,
    metadata: turn.spec.metadata,
    signal: abort.signal,
    leftMs: () => run.leftMs(),
    clock: host.clock,
    inbox: { take: () => takeInbox(parts) },
    ask: (key, question) => ask(parts, asking, key, question),
    children,
    spawn: (agent, input, options) => children.spawn(agent, input, options),
    progress: (progress) => host.children.progress(parts.session, turn, progress),
    handOff: (handOff) => void (parts.left.handOff = boundedHandOff(handOff)),
    resource: (name, open, close) => live.resource(name, open, close),
    pinned: (name, value) => parts.session.pinned(name, value),
    readBack: (call) => readBack(parts, call),
    shown: (output) => shown(parts, output),
    fitted: fitting(parts),
    completeSession: () => void (parts.left.completed = true),
  };
}

/** What fits is the agent's own; what is moved out is kept without our secrets, as its `tool.returned` will be. */
async function shown({ session }: AgentTurnParts, output: unknown): Promise<unknown> {
  const safe = masked(output);
  const seen = await session.overflow.shown(safe);
  return seen === safe ? output : seen;
}

/** An agent that keeps its conversation itself shows what it likes. */
function fitting({ session, host, history }: AgentTurnParts): AgentTurn['fitted'] {
  const { workingSet } = session;
  if (workingSet === undefined) return async (messages) => messages;
  const fit = new Fitting(workingSet, host.limits, history);
  return (messages) => fit.fitted(messages);
}

async function readBack({ session, host, abort }: AgentTurnParts, call: ReadBackCall): Promise<ReadBack> {
  const { num } = session.log;
  assert(num !== undefined, 'a turn runs only in a session that is in the store');
  return host.readingBack.read({ num, project: session.row.project }, call, abort.signal);
}

function takeInbox(parts: AgentTurnParts): readonly Input[] {
  const { turn, log } = parts;
  if (turn.stop !== undefined) return [];
  const taken = turn.inbox.splice(0);
  turn.taken.push(...taken);
  for (const { logged } of taken) {
    const draft: Draft = { kind: 'turn.steered', turn: turn.id, body: { input: logged } };
    log.push(draft);
  }
  return taken.map(({ whole }) => whole);
}

async function ask(
  parts: AgentTurnParts,
  asking: Set<string>,
  key: string,
  question: Question,
): Promise<Answer> {
  const { questions, abort } = parts;
  if (question.tool === undefined) return put(parts, asking, key, question, undefined);
  const remembered = await questions.remembered(question);
  // Stopped meanwhile, or waiting for another answer already: then the next attempt asks this.
  abort.signal.throwIfAborted();
  return put(parts, asking, key, question, remembered);
}

async function put(
  parts: AgentTurnParts,
  asking: Set<string>,
  key: string,
  question: Question,
  remembered: Answer | undefined,
): Promise<Answer> {
  const { turn, live } = parts;
  const known = turn.asks.get(key);
  const isSame = known !== undefined && known.hash === questionHash(question); // Q4 of questions.ts
  if (isSame && known.state.kind === 'closed') return outcomeOf(known.state.end, key);
  if (remembered !== undefined) return remembered; // Also where nobody can be asked: somebody was.
  if (!turn.spec.canAsk) return { decision: 'deny', answer: 'nobody can be asked in this turn' };
  const isOpen = isSame && known.state.kind === 'open';
  if (live.agent.capabilities.rerun === 'safe') return suspend(parts, key, question, isOpen);
  if (asking.has(key))
    throw new SojournError('input.invalid', `Key ${key} is being asked already in turn ${turn.id}`);
  asking.add(key);
  try {
    return await wait(parts, key, question, isOpen ? known : undefined);
  } finally {
    asking.delete(key);
  }
}

/** The turn goes on in a new attempt: this one ends when the question is durable, or where it is open already. */
async function suspend(
  parts: AgentTurnParts,
  key: string,
  question: Question,
  isOpen: boolean,
): Promise<never> {
  const { turn, questions, run, abort } = parts;
  const resumeDeadline = run.waiting();
  try {
    if (!isOpen) {
      const shown = await questions.shown(question);
      abort.signal.throwIfAborted();
      const isAsked = turn.asks.get(key)?.state.kind === 'open'; // By another ask of this turn, meanwhile.
      if (!isAsked) await questions.open(turn, key, question, shown, () => undefined);
    }
  } finally {
    resumeDeadline();
  }
  run.suspend();
  throw new SojournError('turn.suspended', `Turn ${turn.id} waits for a person`);
}

/** The instance is held while a person thinks. */
async function wait(
  parts: AgentTurnParts,
  key: string,
  question: Question,
  open: Ask | undefined,
): Promise<Answer> {
  const { turn, questions, run, abort, session, live } = parts;
  const resumeDeadline = run.waiting();
  const ended = Promise.withResolvers<AskEnd>();
  ended.promise.catch(() => undefined); // It may be stopped while the question is being opened: nobody awaits it yet.
  const stop = (): void => ended.reject(abort.signal.reason);
  abort.signal.addEventListener('abort', stop, { once: true });
  try {
    if (abort.signal.aborted) throw abort.signal.reason;
    await keepSnapshot(session, live); // The process may end while the person thinks.
    if (abort.signal.aborted) throw abort.signal.reason;
    if (open?.state.kind === 'closed') return outcomeOf(open.state.end, key); // Answered in the meantime.
    if (open?.state.kind === 'open') open.state.answered = ended.resolve;
    else {
      const shown = await questions.shown(question);
      if (abort.signal.aborted) throw abort.signal.reason;
      await questions.open(turn, key, question, shown, ended.resolve);
    }
    const end = await ended.promise;
    return outcomeOf(end, key);
  } finally {
    abort.signal.removeEventListener('abort', stop);
    resumeDeadline();
  }
}

function outcomeOf(end: AskEnd, key: string): Answer {
  if (end.kind === 'answered') {
    return {
      decision: end.decision,
      ...(end.answer === undefined ? {} : { answer: end.answer }),
      ...(end.remember === undefined ? {} : { remember: end.remember }),
    };
  }
  throw new SojournError('request.closed', `What was asked under ${key} closed as ${end.kind}`);
}
