// First prompt: whether a provider's figure is of the first prompt of a turn, and so of what a working set held.
//
//   FP1. Only the first figure of an attempt that begins anew counts, and only where nothing can have been said in between that
//        a second prompt would hold: once a tool has returned, the figure follows at once, behind that step's own messages.
//   FP2. A digest, or an input that was steered in, meanwhile: nobody can say which prompt it was.
import type { Seq, StoredEvent } from '../store/store.ts';
import type { EventBodies } from '../wire/event.ts';

export interface Asking {
  turn: string;
  /** The event that the figure has to follow; null while nothing has been said. */
  after: Seq | null;
}

export class FirstPrompt {
  #asking: Asking | undefined;

  /** As JSON; undefined where nothing is waited for. */
  get asking(): Asking | undefined {
    return this.#asking;
  }

  resume(asking: Asking | undefined): void {
    this.#asking = asking;
  }

  /** True of a figure that is of a first prompt. */
  feed(event: StoredEvent): boolean {
    if (event.kind === 'turn.started') this.#asking = begun(event);
    const asking = this.#asking;
    if (event.kind === 'context.compacted') this.#asking = undefined; // FP2
    if (asking === undefined || event.turn !== asking.turn || event.kind === 'turn.started') return false;
    const isNext = asking.after === null || event.seq === asking.after + 1;
    this.#asking = isNext ? following(asking, event) : undefined;
    return isNext && event.kind === 'usage';
  }
}

function begun({ turn, body }: StoredEvent): Asking | undefined {
  const { goesOn } = JSON.parse(body) as EventBodies['turn.started'];
  return turn === null || goesOn === true ? undefined : { turn, after: null };
}

/** FP1. */
function following(asking: Asking, { kind, seq, body }: StoredEvent): Asking | undefined {
  const { turn, after } = asking;
  switch (kind) {
    case 'tool.called':
      return after === null ? asking : undefined;
    case 'context.offloaded':
      return after === null ? asking : { turn, after: seq };
    case 'tool.returned':
      return { turn, after: seq };
    case 'message':
      return after === null || isOfStep(body) ? { turn, after: seq } : undefined;
    default:
      return undefined;
  }
}

/** What called the tools, and what they returned. */
function isOfStep(body: string): boolean {
  return body.includes('"type":"tool-call"') || body.includes('"type":"tool-result"');
}
