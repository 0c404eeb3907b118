// Planned: the digests that a plan asks for, made of one working set; and whether it still is the set that was planned for.
//
// Everything here looks at the set and changes nothing: the same set and the same plan give the same digests.
import type { Seq } from '../store/store.ts';
import type { Digest } from '../wire/context.ts';
import type { Message, Part } from '../wire/message.ts';
import { FOLD_TOKENS_MIN, type Plan, takenBy } from './budget.ts';
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

/** What names the turns and calls of a plan has this share of an event, and the text that stands for turns has that one. */
const NAMES_SHARE = 1 / 2;
const TEXT_SHARE = 3 / 8;

/** As many of its turns as one event can name; the rest is for the next plan. */
export function fitted(made: Plan, eventBytesMax: number): Plan {
  let left = NAMES_SHARE * eventBytesMax;
  const fold = made.fold.filter((piece, index) => {
    left -= nameBytes(piece);
    return left >= 0 || index < 2; // A digest alone would gain nothing.
  });
  if (fold.length === made.fold.length) return made;
  const half = Math.max(FOLD_TOKENS_MIN, Math.floor(takenBy(fold) / 2));
  return { ...made, fold, foldTokensMax: Math.min(made.foldTokensMax, half) };
}

/** The beginning of a text that an event holds beside what it names. */
export function fittedText(text: string, eventBytesMax: number): string {
  const bytesMax = TEXT_SHARE * eventBytesMax;
  let kept = text;
  for (let bytes = jsonBytes(kept); bytes > bytesMax; bytes = jsonBytes(kept))
    kept = kept.slice(0, Math.floor((kept.length * bytesMax) / bytes) - 1).toWellFormed();
  return kept;
}

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

/** As the log has them, as many as one event holds; `text` stands for the turns of the plan, where it has any. */
export function digestsOf(
  set: WorkingSet,
  { calls, fold }: Plan,
  text: string | undefined,
  eventBytesMax: number,
): readonly Digest[] {
  let left = NAMES_SHARE * eventBytesMax;
  for (const piece of fold) left -= nameBytes(piece);
  return [...ofCalls(set, calls, left), ...(text === undefined ? [] : ofTurns(set, fold, text))];
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

/** With what parts it from the next. */
const jsonBytes = (value: unknown): number => JSON.stringify(value).length + 1;

const nameBytes = ({ turn }: Piece): number => (turn === null ? 0 : jsonBytes(turn));

const NAMES = ['kind', 'turn', 'from', 'to'] as const;

/** The events they stand for. */
function stretchOf(things: readonly { from: Seq; to: Seq }[]): { from: Seq; to: Seq; ref: string } {
  let [from, to] = [Infinity, 0];
  for (const thing of things) [from, to] = [Math.min(from, thing.from), Math.max(to, thing.to)];
  return { from, to, ref: stretchRef(from, to) };
}

/** What finds no room in `bytesMax` stays as it is. */
function ofCalls(set: WorkingSet, calls: readonly PieceCall[], bytesMax: number): Digest[] {
  if (calls.length === 0) return [];
  const kept: PieceCall[] = [];
  const made: NonNullable<Digest['calls']>[number][] = [];
  let left = bytesMax;
  const turns = new Map(set.pieces().map((piece) => [piece.turn, stretchRef(piece.from, piece.to)]));
  let [tokensBefore, tokensAfter] = [0, 0];
  for (const each of calls) {
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
    const digest = { turn, call, ref, text };
    const bytes = jsonBytes(digest) + jsonBytes(turn);
    if (bytes > left) continue;
    left -= bytes;
    kept.push(each);
    made.push(digest);
    const shown: Part[] = [
      { type: 'tool-call', call, name, input: shortInput(input) },
      { type: 'tool-result', call, name, output: text, isError: result.isError },
    ];
    tokensBefore += tokens;
    tokensAfter += set.count([{ parts: shown }]);
  }
  if (kept.length === 0) return [];
  return [
    {
      kind: 'calls',
      ...stretchOf(kept.map(({ seq }) => ({ from: seq, to: seq }))),
      turns: [...new Set(kept.map(({ turn }) => turn))],
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
