// Composer: makes whole messages from what an agent says piece by piece.
//
//   P1. Deltas and tool calls open an assistant message; results follow as a tool message; whatever is said after a
//       result begins the next assistant message.
//   P2. A `message` that the agent says itself replaces what was open: it is the agent's own word for it.
//   P3. Nothing is said twice: what `close` has given is gone.
import type { Part, Role } from '../wire/message.ts';
import { textOf } from '../wire/message.ts';

export interface Composed {
  message: string;
  role: Role;
  parts: readonly Part[];
}

export class Composer {
  #count = 0;
  #open: { message: string; parts: Part[] } | undefined;
  #results: Part[] = [];
  #text = '';

  /** The text of the last assistant message that had any, open or closed. */
  get text(): string {
    return (this.#open === undefined ? '' : textOf(this.#open.parts)) || this.#text;
  }

  /** True when `message`, or the next piece without a name, begins a new message (P1): `close` first. */
  begins(message?: string): boolean {
    if (this.#results.length > 0) return true;
    return message !== undefined && this.#open !== undefined && this.#open.message !== message;
  }

  /** Adds a piece and answers the name of its message. */
  say(type: 'text' | 'reasoning', text: string, message?: string): string {
    const open = this.#opened(message);
    const last = open.parts.at(-1);
    if (last?.type === type) last.text += text;
    else open.parts.push({ type, text });
    return open.message;
  }

  called(call: string, name: string, input: unknown): void {
    this.#opened().parts.push({ type: 'tool-call', call, name, input });
  }

  returned(part: Part): void {
    this.#results.push(part);
  }

  /** The agent's own message (P2); answers its name. */
  said(role: Role, parts: readonly Part[], message?: string): string {
    const name = message ?? this.#open?.message ?? this.#next();
    this.#open = undefined;
    this.#results = [];
    if (role === 'assistant') this.#text = textOf(parts) || this.#text;
    return name;
  }

  /** What is open, as messages (P3). */
  close(): Composed[] {
    const closed: Composed[] = [];
    if (this.#open !== undefined) {
      closed.push({ message: this.#open.message, role: 'assistant', parts: this.#open.parts });
      this.#text = textOf(this.#open.parts) || this.#text;
      this.#open = undefined;
    }
    if (this.#results.length > 0) {
      closed.push({ message: this.#next(), role: 'tool', parts: this.#results });
      this.#results = [];
    }
    return closed;
  }

  #opened(message?: string): { message: string; parts: Part[] } {
    this.#open ??= { message: message ?? this.#next(), parts: [] };
    return this.#open;
  }

  #next(): string {
    this.#count += 1;
    return `m${this.#count}`;
  }
}
