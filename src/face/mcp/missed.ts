// Missed: what was sent on one link of the older era, for a client that lost its connection and comes back.
//
// It says no more of an id than the replay does: so the library lets the reader that comes back take the place of the one
// that it has not noticed to be gone.
//
//   MI1. Bounded in messages and in characters; the oldest go first. Who comes back too late hears only what is new.
import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';
import type { LinkLimits } from './links.ts';

interface Sent {
  id: string;
  stream: string;
  message: JSONRPCMessage;
  chars: number;
}

export class Missed implements EventStore {
  readonly #limits: Pick<LinkLimits, 'missedMax' | 'missedCharsMax'>;
  readonly #sent: Sent[] = [];
  #chars = 0;
  #count = 0;

  constructor(limits: Pick<LinkLimits, 'missedMax' | 'missedCharsMax'>) {
    this.#limits = limits;
  }

  /** MI1. */
  async storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const id = `${stream}/${++this.#count}`;
    const chars = JSON.stringify(message).length;
    this.#sent.push({ id, stream, message, chars });
    this.#chars += chars;
    const { missedMax, missedCharsMax } = this.#limits;
    while (this.#sent.length > missedMax || (this.#chars > missedCharsMax && this.#sent.length > 1)) {
      this.#chars -= this.#sent.shift()?.chars ?? 0;
    }
    return id;
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const [, stream = ''] = /^(.+)\/\d+$/.exec(last) ?? [];
    const seen = Number(last.slice(stream.length + 1));
    for (const { id, message } of this.#sent.filter((sent) => sent.stream === stream)) {
      const isNew = Number(id.slice(stream.length + 1)) > seen;
      // The first event of a stream only opens it: there is nothing in it.
      if (isNew && Object.keys(message).length > 0) await send(id, message);
    }
    return stream;
  }
}
