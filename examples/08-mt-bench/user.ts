// User: one of many who hold a conversation of two turns, and write down everything they are shown.
import type { Client, Event, RemoteSession } from 'sojourn/client';
import type { MtBenchConversation } from 'sojourn/agent/scripted';

/** What a turn looked like from outside. */
export interface SeenTurn {
  turn: string;
  outcome: string;
  text: string;
}

/** What the user keeps to, and whom it tells. */
export interface Around {
  /** Before each question. */
  mayAsk(): Promise<void>;
  onEvent(event: Event, user: User): void;
}

export class User {
  readonly session: RemoteSession;
  readonly conversation: MtBenchConversation;
  readonly turns: SeenTurn[] = [];
  /** Turns whose receipt this user holds. */
  readonly acknowledged: string[] = [];
  /** (session, seq) pairs that came twice; there must be none. */
  repeated = 0;
  /** Kills that the turn under way has been through; undefined when there is none. */
  kills: number | undefined;
  /** How often the running turn was begun, as far as was seen. */
  attempt = 0;
  readonly #seen = new Set<string>();
  readonly #around: Around;

  constructor(client: Client, key: string, conversation: MtBenchConversation, around: Around) {
    this.session = client.session(key);
    this.conversation = conversation;
    this.#around = around;
  }

  async talk(): Promise<void> {
    for (const { question } of this.conversation.turns) {
      await this.#around.mayAsk();
      await this.#ask(question);
    }
  }

  async #ask(question: string): Promise<void> {
    let session = '';
    let text = '';
    this.kills = 0;
    const onReceipt = (receipt: { session: string; turn: string }): void => {
      session = receipt.session;
      this.acknowledged.push(receipt.turn);
    };
    for await (const event of this.session.stream(question, { onReceipt })) {
      const place = `${session}:${event.seq}`;
      if (this.#seen.has(place)) this.repeated += 1;
      this.#seen.add(place);
      if (event.kind === 'turn.started') {
        this.attempt = event.body.attempt;
        text = ''; // What an earlier attempt said is void.
      }
      if (event.kind === 'text.delta') text += event.body.text;
      if (event.kind === 'turn.ended') {
        this.turns.push({ turn: event.turn ?? '', outcome: event.body.outcome, text });
        this.kills = undefined;
      }
      this.#around.onEvent(event, this);
    }
  }
}
