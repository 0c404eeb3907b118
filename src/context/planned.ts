// Planned: the digests that a plan asks for, made of one working set; and whether it still is the set that was planned for.
//
// Everything here looks at the set and changes nothing: the same set and the same plan give the same digests.
import type { Seq } from '../store/store.ts';
import type { Digest } from '../wire/context.ts';
import type { Message, Part } from '../wire/message.ts';
import { type Plan, takenBy } from './budget.ts';
import {
  callDigest,
  type CountText,
  shortInput,
  shownDigest,
  type TaskStretch,
  turnsDigest,
} from './digest.ts';
import type { Piece, PieceCall } from './piece.ts';
import { eventRef, stretchRef } from './reference.ts';
import type { WorkingSet } from './working-set.ts';

/** What leaves is still there as it was. */
export function isStill({ fold, calls }: Plan, pieces: readonly Piece[]): boolean {
  if (!fold.every((piece, index) => isSame(piece, pieces[index]))) return false;
  const open = new Set<Seq>();
  for (const piece of pieces) for (const call of piece.calls) if (!call.digested) open.add(call.seq);
  return calls.every(({ seq }) => open.has(seq));
}

/** What stands for the turns of a plan, by rules. */
export function foldText(set: WorkingSet, made: Plan): Promise<string> {
  const tasks: (TaskStretch & { task: string | null; messages: Message[] })[] = [];
  for (const piece of made.fold) {
    if (piece.kind === 'digest') continue;
    const { task, from, to } = piece;
    const messages = set.messagesOf(piece);
    const open = tasks.at(-1);
    if (open === undefined || open.task !== task || task === null) {
      tasks.push({ task, from, to, messages: [...messages] });
    } else {
      open.messages.push(...messages);
      open.to = Math.max(open.to, to);
    }
  }
  const { earlier } = set;
  return set.exactly((count) =>
    turnsDigest(tasks, { earlier, tokensMax: textTokensMax(made, count), count }),
  );
}

/** From then on it is known what this text takes where it stands for the turns of a plan. */
export async function learnFold(set: WorkingSet, { fold }: Plan, text: string): Promise<void> {
  await set.counted([{ parts: [{ type: 'text', text: shownDigest(text, stretchOf(fold).ref) }] }]);
}

/** As the log has them; `text` stands for the turns of the plan, where it has any. */
export function digestsOf(set: WorkingSet, made: Plan, text: string | undefined): readonly Digest[] {
  return [...ofCalls(set, made.calls), ...(text === undefined ? [] : ofTurns(set, made.fold, text))];
}

/** Of what stands for turns, without what says that it is a digest. */
export function textTokensMax({ fold, foldTokensMax }: Plan, count: CountText): number {
  return Math.max(1, foldTokensMax - count(shownDigest('', stretchOf(fold).ref)));
}

/** Counts a text as the set would, without the message it stands in. */
function countIn(set: WorkingSet): CountText {
  const besides = set.count([{ parts: [] }]);
  return (text) => set.count([{ parts: [{ type: 'text', text }] }]) - besides;
}

function isSame(piece: Piece, other: Piece | undefined): boolean {
  return other !== undefined && NAMES.every((name) => piece[name] === other[name]);
}

const NAMES = ['kind', 'turn', 'from', 'to'] as const;

/** The events they stand for. */
function stretchOf(things: readonly { from: Seq; to: Seq }[]): { from: Seq; to: Seq; ref: string } {
  let [from, to] = [Infinity, 0];
  for (const thing of things) [from, to] = [Math.min(from, thing.from), Math.max(to, thing.to)];
  return { from, to, ref: stretchRef(from, to) };
}

function ofCalls(set: WorkingSet, calls: readonly PieceCall[]): Digest[] {
  if (calls.length === 0) return [];
  const turns = new Map(set.pieces().map((piece) => [piece.turn, stretchRef(piece.from, piece.to)]));
  let [tokensBefore, tokensAfter] = [0, 0];
  const made = calls.map((each) => {
    const { turn, call, seq, name, tokens } = each;
    const parts = each.messages().flatMap((message) => message.parts);
    const input = parts.find((part) => part.type === 'tool-call')?.input;
    const result = parts.find((part) => part.type === 'tool-result') ?? {
      type: 'tool-result' as const,
      call,
      name,
      isError: false,
    };
    const ref = eventRef(seq);
    const text = callDigest(name, input, result, ref, turns.get(turn));
    const shown: Part[] = [
      { type: 'tool-call', call, name, input: shortInput(input) },
      { type: 'tool-result', call, name, output: text, isError: result.isError },
    ];
    tokensBefore += tokens;
    tokensAfter += set.count([{ parts: shown }]);
    return { turn, call, ref, text };
  });
  return [
    {
      kind: 'calls',
      ...stretchOf(calls.map(({ seq }) => ({ from: seq, to: seq }))),
      turns: [...new Set(calls.map(({ turn }) => turn))],
      calls: made,
      tokensBefore: Math.ceil(tokensBefore),
      tokensAfter: Math.ceil(tokensAfter),
    },
  ];
}

function ofTurns(set: WorkingSet, fold: readonly Piece[], text: string): Digest[] {
  if (fold.length === 0) return [];
  const stretch = stretchOf(fold);
  return [
    {
      kind: 'turns',
      ...stretch,
      turns: fold.flatMap(({ turn }) => (turn === null ? [] : [turn])),
      text,
      tokensBefore: Math.ceil(takenBy(fold)),
      tokensAfter: Math.ceil(countIn(set)(shownDigest(text, stretch.ref))),
    },
  ];
}
