// Plan: what each session of a tree will do, and what befalls it, made up by fast-check.
import fc from 'fast-check';
import type { Budget } from '../../src/wire/session.ts';

export const OPS = ['use', 'tool', 'kid', 'join', 'again', 'stop', 'fail'] as const;
export type Op = (typeof OPS)[number];

export interface Node {
  /** Picks one of those before it. */
  parent: number;
  ops: readonly Op[];
  /** Of each use, in cents. */
  cents: number;
  /** What it is given; undefined: it draws on what is left. */
  budget: Budget | undefined;
  isAwaited: boolean;
  isTurn: boolean;
}

export const BEFALLS = ['cancel', 'close', 'advance', 'evict', 'crash'] as const;
export interface Befall {
  act: (typeof BEFALLS)[number];
  which: number;
  /** How many things happen before. */
  steps: number;
}

export interface Plan {
  nodes: readonly Node[];
  befalls: readonly Befall[];
  top: Budget;
  rerun: 'safe' | 'never';
  /** Writes wait for their turn in the schedule. */
  isSlow: boolean;
}

export interface Size {
  /** Sessions below the one at the top. */
  nodes: number;
  /** Weights. */
  befalls: Readonly<Record<Befall['act'], number>>;
  befallsMax: number;
  /** Between two of them. */
  stepsMax: number;
  /** Of what all of them would spend, the least that the top has. */
  topLeast: number;
  /** For each child with a budget of its own, so many have none. */
  unbounded: number;
  /** For each step that fails or cancels a child, so many that do not. */
  sound: number;
}

/** The largest use, in cents. */
export const CENTS_MAX = 40;

/** Some of the amounts of a budget that lasts for about so many sessions, or for no less than this part of them. */
function budgets(sessions: number, least: number): fc.Arbitrary<Budget> {
  const upTo = (most: number) =>
    fc.option(fc.noBias(fc.integer({ min: Math.floor(least * most), max: most })), {
      nil: undefined,
      freq: 2,
    });
  return fc
    .record({
      cents: upTo(60 * sessions),
      tokens: upTo(30 * sessions),
      turns: upTo(3 * sessions),
      toolCalls: upTo(2 * sessions),
      ms: upTo(20 * sessions),
    })
    .map(({ cents, tokens, turns, toolCalls, ms }) => ({
      ...(cents === undefined ? {} : { usd: cents / 100 }),
      ...(tokens === undefined ? {} : { tokens }),
      ...(turns === undefined ? {} : { turns: turns + 1 }),
      ...(toolCalls === undefined ? {} : { toolCalls: toolCalls + 1 }),
      ...(ms === undefined ? {} : { ms: ms + 1 }),
    }));
}

export function plans(size: Size): fc.Arbitrary<Plan> {
  const { nodes, befalls, befallsMax, stepsMax, topLeast, unbounded, sound } = size;
  const does = fc.oneof(
    { weight: 16, arbitrary: fc.constant<Op>('use') },
    { weight: 6, arbitrary: fc.constant<Op>('tool') },
    { weight: 2, arbitrary: fc.constantFrom<Op>('join', 'again') },
  );
  const op = fc.oneof(
    { weight: sound, arbitrary: does },
    { weight: 1, arbitrary: fc.constantFrom<Op>('stop', 'fail') },
  );
  const node = fc.record<Node>({
    parent: fc.nat(10_000),
    ops: fc.array(op, { minLength: 1, maxLength: 6 }),
    cents: fc.integer({ min: 0, max: CENTS_MAX }),
    budget: fc.oneof(
      { weight: unbounded, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: budgets(4, 0) },
    ),
    isAwaited: fc.boolean(),
    isTurn: fc.boolean(),
  });
  const act = fc.oneof(...BEFALLS.map((name) => ({ weight: befalls[name], arbitrary: fc.constant(name) })));
  const befall = fc.record<Befall>({ act, which: fc.nat(10_000), steps: fc.nat(stepsMax) });
  return fc.record<Plan>({
    nodes: fc.array(node, { minLength: nodes, maxLength: nodes, size: 'max' }),
    befalls: fc.array(befall, { maxLength: befallsMax, size: 'max' }),
    top: budgets(nodes, topLeast),
    rerun: fc.constantFrom('safe', 'never'),
    isSlow: fc.boolean(),
  });
}

const DEPTH_MAX = 4;

/** Where each stands: its children, in order. No one stands deeper than `DEPTH_MAX` below the top. */
export function childrenOf(nodes: readonly Node[]): readonly (readonly number[])[] {
  const children: number[][] = [[], ...nodes.map(() => [])];
  const depths = [0];
  for (const [index, { parent }] of nodes.entries()) {
    let above = parent % (index + 1);
    while ((depths[above] ?? 0) >= DEPTH_MAX) above = Math.floor(above / 2);
    depths.push((depths[above] ?? 0) + 1);
    children[above]?.push(index + 1);
  }
  return children;
}
