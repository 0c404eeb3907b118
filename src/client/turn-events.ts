// Turn events: of a session's log, what belongs to one accepted input, to its outcome.
//
//   U1. It ends after the `turn.ended` of the turn its input ended up in.
//   U2. An input that was offered to a running turn and not taken becomes a turn of its own: the events go on there.
import type { Event } from '../wire/event.ts';
import type { Receipt } from '../wire/turn.ts';

export async function* turnEvents(
  events: AsyncIterable<Event>,
  receipt: Pick<Receipt, 'turn' | 'disposition'>,
): AsyncGenerator<Event> {
  let turn = receipt.turn;
  let offered: string | undefined;
  for await (const event of events) {
    if (event.kind === 'turn.requeued' && event.body.input.id === offered) {
      turn = event.body.turn; // U2
      yield event;
      continue;
    }
    if (event.turn !== turn) continue;
    if (event.kind === 'turn.accepted' && event.body.disposition === 'steered') {
      offered ??= event.body.input.id;
    }
    yield event;
    if (event.kind === 'turn.ended') return; // U1
  }
}
