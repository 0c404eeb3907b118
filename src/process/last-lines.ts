// Last lines: what a process said last on stderr, for people.
//
//   L1. At most `linesMax` lines of `charsMax` characters are kept, whatever it writes and however it cuts it.
//   L2. What is shown has no control characters: it cannot move a cursor or colour a screen.
import { StringDecoder } from 'node:string_decoder';

export interface LastLinesBounds {
  linesMax: number;
  charsMax: number;
}

/** Sequences that terminals obey, then whatever is left of their kind. */
// oxlint-disable-next-line no-control-regex
const SEQUENCES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export class LastLines {
  readonly #bounds: LastLinesBounds;
  readonly #decoder = new StringDecoder('utf8');
  #lines: string[] = [];
  #open = '';

  constructor(bounds: LastLinesBounds) {
    this.#bounds = bounds;
  }

  push(chunk: Uint8Array): void {
    const { linesMax } = this.#bounds;
    const pieces = this.#decoder.write(chunk).split(/\r\n|\n|\r/);
    this.#open = this.#cut(this.#open + (pieces.shift() ?? ''));
    if (pieces.length === 0) return;
    const closed = [this.#open, ...pieces.slice(0, -1).slice(-linesMax)];
    this.#lines = [...this.#lines, ...closed.map((line) => this.#cut(line))].slice(-linesMax);
    this.#open = this.#cut(pieces.at(-1) ?? '');
  }

  /** Oldest first; empty ones are left out. L2. */
  lines(): readonly string[] {
    return [...this.#lines, this.#open]
      .map((line) => line.replaceAll(SEQUENCES, '').replaceAll(CONTROLS, '').trimEnd())
      .filter((line) => line !== '')
      .slice(-this.#bounds.linesMax);
  }

  /** L1. */
  #cut(line: string): string {
    return line.slice(0, this.#bounds.charsMax).toWellFormed();
  }
}
