// Screen: what a command says. Results on stdout; remarks and errors on stderr.
//
//   S1. With `--json`, stdout holds JSON values only, one a line; remarks are left out.
//   S2. Colours only where a terminal shows them and NO_COLOR is not set.
//   S3. What others wrote never reaches a terminal as a command to it: see `visible`.
import { styleText } from 'node:util';
import { ERRORS, type SojournError } from '../kernel/errors.ts';
import { adviceFor } from './advice.ts';
import type { Out, World } from './world.ts';
import { widthOf } from './wrap.ts';

export type Style = Parameters<typeof styleText>[0];

export class Screen {
  readonly json: boolean;
  readonly stdout: Out;
  readonly #stderr: Out;
  readonly #colours: { stdout: boolean; stderr: boolean };

  constructor(world: World, json: boolean) {
    this.json = json;
    this.stdout = world.stdout;
    this.#stderr = world.stderr;
    const allowed = !world.env.NO_COLOR && world.env.TERM !== 'dumb' && !json;
    this.#colours = {
      stdout: allowed && world.stdout.isTTY === true,
      stderr: allowed && world.stderr.isTTY === true,
    };
  }

  /** Human text, without a line break of its own. */
  write(text: string): void {
    this.stdout.write(text);
  }

  line(text = ''): void {
    this.write(`${text}\n`);
  }

  /** One JSON value, on a line of its own. */
  value(value: unknown): void {
    this.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** The one result of a command: as JSON, or as `human` says it. */
  result(value: unknown, human: () => string): void {
    if (this.json) this.value(value);
    else this.line(human());
  }

  /** A remark. */
  note(text: string): void {
    if (!this.json) this.#stderr.write(`${this.#paint('dim', text, this.#colours.stderr)}\n`);
  }

  warn(text: string): void {
    this.#stderr.write(`${this.#paint('yellow', text, this.#colours.stderr)}\n`);
  }

  error(error: SojournError): void {
    const { code, detail, retryAfterMs } = error;
    if (this.json) {
      const { fix, next } = ERRORS[code];
      this.#stderr.write(`${JSON.stringify({ error: { code, detail, fix, next, retryAfterMs } })}\n`);
      return;
    }
    this.#stderr.write(
      `${this.#paint('red', code, this.#colours.stderr)}${errorText(error).slice(code.length)}\n`,
    );
  }

  style(style: Style, text: string): string {
    return this.#paint(style, text, this.#colours.stdout);
  }

  #paint(style: Style, text: string, colours: boolean): string {
    return colours ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** What was wrong, and below it the way out. */
export function errorText(error: SojournError): string {
  return `${error.code}: ${visible(error.detail)}\n  ${adviceFor(error.code)}`;
}

const FORMAT = String.raw`\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff\u{e0000}-\u{e007f}`;
// oxlint-disable-next-line no-control-regex -- these are what must not pass
const UNSEEN = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${FORMAT}]`, 'gu');

/** Control characters, bidi overrides and tag characters come out escaped (S3); line breaks and tabs stay. */
export function visible(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(UNSEEN, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** On one line, and no longer than `max` characters. */
export function brief(text: string, max: number): string {
  const flat = visible(text).replaceAll(/\s+/g, ' ').trim();
  const characters = Array.from(flat);
  return characters.length <= max ? flat : `${characters.slice(0, max - 1).join('')}…`;
}

/** Columns, as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    }
  }
  const padded = (cell: string, column: number): string =>
    cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell));
  return rows.map((row) => row.map(padded).join('  ').trimEnd()).join('\n');
}
