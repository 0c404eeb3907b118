// Piece: what can leave a working set, as a plan sees it.
import type { Seq } from '../store/store.ts';
import type { Message } from '../wire/message.ts';

/** The standing digest of turns, or an ended turn. */
export interface Piece {
  kind: 'digest' | 'turn';
  /** Null of a digest. */
  turn: string | null;
  /** The first and the last of its events; those of other turns may lie between them. */
  from: Seq;
  to: Seq;
  /** The id of the task it belongs to; of a digest the last one's. */
  task: string | null;
  /** As it is shown now; of what was guessed, rather too much. */
  tokens: number;
  calls: readonly PieceCall[];
}

/** A call of a tool that was answered, by the turn and the call's own id: a call's id may come again in another turn. */
export interface PieceCall {
  turn: string;
  call: string;
  name: string;
  /** Of its `tool.returned`, or of the message it stands in where no event tells of it. */
  seq: Seq;
  /** Input and result, as shown now. */
  tokens: number;
  digested: boolean;
  /** The pair as it is shown, which is as it was while it is not digested. */
  messages(): readonly Message[];
}
