// Budget: what leaves a working set near its window, in which order, and how much. Shown on sets made up by chance.
//
// B.2, B.4 of the working state of a session: order of leaving, task boundaries, newest turns, bounds:
//   'a prompt is never past its window where leaving can help'
//   'the results of tools of older turns leave before any turn does, and what people said goes last'
//   'the newest turns stay word for word as long as they fit'
//   'older turns leave up to the end of a task'
//   'what leaves early leaves in batches, so that the beginning of a prompt stays as it is for many turns'
//   'a set as large as it gets is planned in no time'
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DIGESTED_CALL_TOKENS,
  FOLD_TOKENS_MIN,
  isHopeless,
  plan,
  type Plan,
  type Room,
} from '../src/context/budget.ts';
import type { Piece, PieceCall } from '../src/context/piece.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';

const LIMITS = DEFAULT_LIMITS;

interface Shape {
  said: number;
  calls: readonly number[];
  /** Goes on with the task of the turn before. */
  goesOn: boolean;
}

function pieceOf(index: number, { said, calls }: Shape, task: string): Piece {
  const turn = `t${index}`;
  const made = calls.map((tokens, at): PieceCall => ({
    turn,
    call: `c${at}`,
    name: 'read',
    seq: index * 100 + at,
    tokens,
    digested: false,
    messages: () => [],
  }));
  const tokens = said + calls.reduce((sum, each) => sum + each, 0);
  return {
    kind: 'turn',
    turn,
    from: index * 100,
    to: index * 100 + 99,
    task,
    tokens,
    calls: made,
  };
}

function setOf(shapes: readonly Shape[], digestTokens = 0): Piece[] {
  let task = 'none';
  const turns = shapes.map((shape, index) => {
    if (!shape.goesOn || index === 0) task = `t${index}`;
    return pieceOf(index, shape, task);
  });
  if (digestTokens === 0) return turns;
  const digest: Piece = {
    kind: 'digest',
    turn: null,
    from: 0,
    to: 0,
    task: 'gone',
    tokens: digestTokens,
    calls: [],
  };
  return [digest, ...turns];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

/** The set once the plan has been carried out, where each digest is as long as it may be. */
function after(pieces: readonly Piece[], made: Plan): Piece[] {
  const digested = new Set(made.calls);
  const stay = pieces.slice(made.fold.length).map((piece): Piece => {
    const calls = piece.calls.map((call) =>
      digested.has(call)
        ? { ...call, tokens: Math.min(call.tokens, DIGESTED_CALL_TOKENS), digested: true }
        : call,
    );
    const gain = sum(piece.calls.map(({ tokens }) => tokens)) - sum(calls.map(({ tokens }) => tokens));
    return { ...piece, calls, tokens: piece.tokens - gain };
  });
  if (made.fold.length === 0) return stay;
  return [...setOf([], made.foldTokensMax), ...stay];
}

const tokensOf = (pieces: readonly Piece[]): number => sum(pieces.map(({ tokens }) => tokens));

const shapes = fc.array(
  fc.record({
    said: fc.integer({ min: 1, max: 3_000 }),
    calls: fc.array(fc.integer({ min: 5, max: 2_500 }), { maxLength: 6 }),
    goesOn: fc.boolean(),
  }),
  { maxLength: 40 },
);
const rooms = fc.record({
  windowTokens: fc.integer({ min: 2_000, max: 20_000 }),
  overheadTokens: fc.integer({ min: 0, max: 3_000 }),
  nextTokens: fc.integer({ min: 0, max: 3_000 }),
});
const sets = fc
  .tuple(shapes, fc.oneof(fc.constant(0), fc.integer({ min: 150, max: 900 })))
  .map(([turns, digestTokens]) => setOf(turns, digestTokens));
const room = (windowTokens: number): Room => ({ windowTokens, overheadTokens: 0, nextTokens: 0 });

test('a prompt is never past its window where leaving can help', () => {
  fc.assert(
    fc.property(sets, rooms, (pieces, given) => {
      fc.pre(!isHopeless(given, FOLD_TOKENS_MIN));

      const made = plan(pieces, given, LIMITS);
      const left = made === undefined ? pieces : after(pieces, made);

      expect(tokensOf(left) + given.overheadTokens + given.nextTokens).toBeLessThanOrEqual(
        given.windowTokens,
      );
    }),
  );
});

test('the same set gives the same plan, and a plan always gains', () => {
  fc.assert(
    fc.property(sets, rooms, (pieces, given) => {
      const made = plan(pieces, given, LIMITS);

      expect(plan(pieces, given, LIMITS)).toEqual(made);
      const left = made === undefined ? -1 : tokensOf(after(pieces, made));
      expect(left).toBeLessThan(tokensOf(pieces));
    }),
  );
});

test('carrying out plans comes to an end', () => {
  fc.assert(
    fc.property(sets, rooms, (pieces, given) => {
      let left: readonly Piece[] = pieces;
      let rounds = 0;
      for (let made = plan(left, given, LIMITS); made !== undefined; made = plan(left, given, LIMITS)) {
        left = after(left, made);
        rounds += 1;
        expect(rounds).toBeLessThan(10);
      }
    }),
  );
});

test('the results of tools of older turns leave before any turn does, and what people said goes last', () => {
  fc.assert(
    fc.property(sets, rooms, (pieces, given) => {
      const made = plan(pieces, given, LIMITS);
      fc.pre(made !== undefined && made.fold.length > 0);
      const turns = pieces.filter(({ kind }) => kind === 'turn').length;
      const older = pieces.slice(made.fold.length, pieces.length - Math.min(turns, LIMITS.contextTurnsKept));

      const stayed = older.flatMap(({ calls }) => calls).filter((call) => !made.calls.includes(call));

      for (const call of stayed) expect(call.tokens).toBeLessThan(DIGESTED_CALL_TOKENS + 64);
    }),
  );
});

test('calls leave oldest first', () => {
  const pieces = setOf(Array.from({ length: 10 }, () => ({ said: 100, calls: [500], goesOn: false })));

  const made = plan(pieces, room(10_000), LIMITS);

  expect(made?.pressure).toBe('mild');
  expect(made?.fold).toEqual([]);
  // From 6,000 to 0.8 of the mild half of 10,000.
  expect(made?.calls.map(({ turn }) => turn)).toEqual(['t0', 't1', 't2', 't3', 't4']);
});

test('the newest turns stay word for word as long as they fit', () => {
  fc.assert(
    fc.property(sets, rooms, (pieces, given) => {
      const made = plan(pieces, given, LIMITS);
      fc.pre(made !== undefined);
      const kept = pieces.filter(({ kind }) => kind === 'turn').slice(-LIMITS.contextTurnsKept);
      const fits = given.overheadTokens + given.nextTokens + tokensOf(kept) + 0.1 * given.windowTokens;
      fc.pre(fits + FOLD_TOKENS_MIN <= LIMITS.contextEmergency * given.windowTokens);

      for (const piece of kept) {
        expect(made.fold).not.toContain(piece);
        for (const call of piece.calls) expect(made.calls).not.toContain(call);
      }
    }),
  );
});

test('a newest turn that is past the window by itself gives up its results before anything it said', () => {
  const pieces = setOf([{ said: 500, calls: [4_000, 4_000, 4_000], goesOn: false }]);

  const made = plan(pieces, room(10_000), LIMITS);

  expect(made?.fold).toEqual([]);
  expect(made?.calls.map(({ call }) => call)).toEqual(['c0']);
});

test('what people said is not cut short for results that leave as well', () => {
  // The newest turn alone is past the window: its results leave, and the digest of what came before is no shorter for it.
  const pieces = setOf([
    { said: 800, calls: [], goesOn: false },
    { said: 800, calls: [], goesOn: false },
    { said: 100, calls: [], goesOn: false },
    { said: 100, calls: [5_000, 5_000], goesOn: false },
  ]);

  const made = plan(pieces, room(10_000), LIMITS);

  expect(made?.fold.map(({ turn }) => turn)).toEqual(['t0', 't1']);
  expect(made?.foldTokensMax).toBe(800);
});

test('older turns leave up to the end of a task', () => {
  // Tasks of three turns; nothing but turns can leave.
  const pieces = setOf(
    Array.from({ length: 20 }, (_, index) => ({ said: 500, calls: [], goesOn: index % 3 > 0 })),
  );

  const made = plan(pieces, room(10_000), LIMITS);

  expect(made?.pressure).toBe('emergency');
  const last = made?.fold.at(-1);
  const next = pieces[made?.fold.length ?? 0];
  expect(last?.task).not.toBe(next?.task);
});

test('one task that never ends is cut where it has to be', () => {
  const pieces = setOf(Array.from({ length: 20 }, () => ({ said: 500, calls: [], goesOn: true })));

  const made = plan(pieces, room(10_000), LIMITS);

  const left = made === undefined ? pieces : after(pieces, made);
  expect(tokensOf(left)).toBeLessThanOrEqual(6_000);
  expect(left.length).toBeGreaterThan(8);
});

test('what leaves early leaves in batches, so that the beginning of a prompt stays as it is for many turns', () => {
  let pieces = setOf([]);
  let plans = 0;
  for (let index = 0; index < 200; index += 1) {
    pieces = [...pieces, pieceOf(index, { said: 10, calls: [300], goesOn: false }, `t${index}`)];
    const made = plan(pieces, room(40_000), LIMITS);
    if (made === undefined) continue;
    plans += 1;
    pieces = after(pieces, made);
  }

  expect(plans).toBeGreaterThan(1);
  expect(plans).toBeLessThan(20);
});

test('a digest is made anew only together with turns, unless its window was larger', () => {
  fc.assert(
    fc.property(sets, rooms, (pieces, given) => {
      const made = plan(pieces, given, LIMITS);
      fc.pre(pieces.length > 1 && made !== undefined && made.fold.length > 0);
      fc.pre((pieces[0]?.tokens ?? 0) <= 0.1 * given.windowTokens);

      expect(made?.fold.some(({ kind }) => kind === 'turn')).toBe(true);
    }),
  );
});

test('a set as large as it gets is planned in no time', () => {
  // Far more than a window ever holds: what a plan costs is what there is in the set.
  const pieces = setOf(
    Array.from({ length: 5_000 }, (_, index) => ({ said: 20, calls: [200, 20], goesOn: index % 5 > 0 })),
  );
  const begun = performance.now();

  const made = plan(pieces, room(1_000_000), LIMITS);

  expect(made?.pressure).toBe('emergency');
  expect(performance.now() - begun).toBeLessThan(500);
});
