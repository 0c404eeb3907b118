// Agent: it does what its session's place in the plan says, each step in its turn of the schedule, and tells the tally
// before it says what it used.
import type { Agent, AgentEvent, AgentTurn, Child, ContinueOptions } from '../../src/agent/agent.ts';
import { functionAgent } from '../../src/agent/function/function.ts';
import { SojournError } from '../../src/kernel/errors.ts';
import { textOf } from '../../src/wire/message.ts';
import { check } from '../race/check.ts';
import type { Life } from './grove.ts';
import type { Node, Op } from './plan.ts';

/** What was told to go wrong, and is nobody's defect. */
export class Told extends Error {
  override name = 'Told';
}

/** May be answered to whoever asks for a child. */
const REFUSALS = ['budget.exceeded', 'session.closed', 'runtime.draining'] as const;

export function agentOf(life: Life): Agent {
  const { rerun } = life.grove.plan;
  return functionAgent((turn) => run(life, turn), { rerun });
}

interface Family {
  readonly begun: Child[];
  /** Those that are waited for. */
  readonly awaited: Promise<unknown>[];
}

async function* run(life: Life, turn: AgentTurn): AsyncGenerator<AgentEvent> {
  const { plan, kids } = life.grove;
  if (turn.metadata['child'] !== undefined) return; // It hears how a child ended.
  const [place = '0'] = textOf(turn.inputs[0]?.parts ?? []).split(' ');
  const index = Number(place);
  const node = plan.nodes[index - 1];
  const own: readonly Op[] = node?.ops ?? ['use'];
  const bears = (kids[index] ?? []).map((): Op => 'kid');
  const ops = index % 4 === 3 ? [...own, ...bears] : [...bears, ...own]; // Whoever fails first has none.
  const family: Family = { begun: [], awaited: [] };
  let born = 0;
  try {
    for (const op of ops) {
      await life.gate(`agent ${index} ${op}`, turn.signal);
      if (op === 'use') yield life.use(turn, node?.cents ?? 1);
      if (op === 'tool') yield* callTool(life, turn);
      if (op === 'fail') throw new Told('as told');
      if (op === 'join') await Promise.all(family.awaited.splice(0));
      if (op === 'kid') await bear(life, turn, kids[index]?.[born++] ?? 0, family);
      if (op === 'again') await again(life, turn, node, family);
      const [first] = family.begun;
      if (op === 'stop' && first !== undefined) await turn.children.cancel(first.session);
    }
    await Promise.all(family.awaited.splice(0));
  } finally {
    for (const promise of family.awaited) promise.catch(() => undefined);
  }
}

async function* callTool(life: Life, turn: AgentTurn): AsyncGenerator<AgentEvent> {
  const call = life.name();
  yield { kind: 'tool.called', call, name: 'count', input: {} };
  await life.gate('tool', turn.signal);
  yield { kind: 'tool.returned', call, output: 'done' };
}

async function bear(life: Life, turn: AgentTurn, index: number, family: Family): Promise<void> {
  const node = life.grove.plan.nodes[index - 1];
  const key = `k${index}`;
  const child = await unlessRefused(turn.spawn('node', `${index}`, { key, ...options(node) }));
  if (child === undefined) return;
  family.begun.push(child);
  if (node?.isAwaited !== true) return;
  const result = hearOf(life, child);
  result.catch(() => undefined);
  family.awaited.push(result);
}

/** The first child of this turn once more, when it is over. */
async function again(life: Life, turn: AgentTurn, node: Node | undefined, family: Family): Promise<void> {
  const [first] = family.begun;
  if (first === undefined) return;
  await first.result();
  const done = life.grove.raise(first.session, node?.budget?.usd ?? 0);
  try {
    await unlessRefused(
      turn.children.continue(first.session, 'leaf', { key: life.name(), ...options(node) }),
    );
  } finally {
    done();
  }
}

function options(node: Node | undefined): ContinueOptions {
  return {
    ...(node?.budget === undefined ? {} : { budget: node.budget }),
    ...(node?.isTurn === true ? { whenDone: 'turn' } : {}),
  };
}

/** What it is told is what the log has. */
async function hearOf(life: Life, child: Child): Promise<void> {
  const { outcome, costUsd } = await child.result();
  if (life.isDead) return;
  const end = life.grove.tally.turns.get(child.turn)?.end;
  const isSame = end?.outcome === outcome && end.costUsd === costUsd;
  life.grove.try(() => check(isSame, () => `${child.turn} was heard to have ended ${outcome}, $${costUsd}`));
}

async function unlessRefused(call: Promise<Child>): Promise<Child | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof SojournError && (REFUSALS as readonly string[]).includes(error.code))
      return undefined;
    throw error;
  }
}
