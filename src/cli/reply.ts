// Reply: what an agent says in one turn, put together from its events.
//
//   Y1. What an attempt that died had said does not count, unless the next one goes on with it: the last attempt is the reply.
//   Y2. A message counts once, whether it came in deltas, whole, or both.
import type { Event } from '../wire/event.ts';
import { textOf } from '../wire/message.ts';

export class Reply {
  #text = '';
  #message: string | undefined;

  get text(): string {
    return this.#text;
  }

  /** Answers what the event adds to the text. */
  add(event: Event): string {
    switch (event.kind) {
      case 'turn.started': // Y1
        if (event.body.goesOn === true) return '';
        this.#text = '';
        this.#message = undefined;
        return '';
      case 'text.delta':
        return this.#said(event.body.message, event.body.text);
      case 'message': {
        const { message, role, parts } = event.body;
        return role === 'assistant' && message !== this.#message ? this.#said(message, textOf(parts)) : ''; // Y2
      }
      default:
        return '';
    }
  }

  #said(message: string, text: string): string {
    const apart = message !== this.#message && this.#text !== '' && text !== '' ? '\n' : '';
    this.#message = message;
    this.#text += apart + text;
    return apart + text;
  }
}
