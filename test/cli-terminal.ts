// A terminal for tests: streams that look like one, and the screen that a person would see.
import { PassThrough, Writable } from 'node:stream';
import type { World } from '../src/cli/world.ts';

/** A command with at most one number, any other command, or one character. */
const PIECES = new RegExp(String.raw`\u001b\[(\d*)([A-Za-z])|\u001b\[[\d;?]*[a-z]|[^]`, 'gu');

export class TestTerminal extends Writable {
  readonly isTTY = true;
  readonly columns: number;
  readonly lines: string[] = [''];
  readonly #watchers = new Set<() => void>();
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    super({ decodeStrings: false });
    this.columns = columns;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#show(String(chunk));
    for (const watch of this.#watchers) watch();
    done();
  }

  /** All that was ever shown and not overwritten. */
  get text(): string {
    return this.lines.map((row) => row.trimEnd()).join('\n');
  }

  /** Resolves when the screen shows what `seen` looks for. */
  shows(seen: (text: string) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!seen(this.text)) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #show(text: string): void {
    for (const [piece, number, letter] of text.matchAll(PIECES)) {
      if (letter !== undefined) this.#move(letter, Number(number || (letter === 'J' ? 0 : 1)));
      else if (piece === '\n') this.#moveTo(this.#row + 1, 0);
      else if (piece === '\r') this.#column = 0;
      else if (!piece.startsWith('\u001b')) this.#put(piece);
    }
  }

  #put(character: string): void {
    if (this.#column >= (this.columns || 80)) this.#moveTo(this.#row + 1, 0);
    const row = Array.from((this.lines[this.#row] ?? '').padEnd(this.#column));
    row[this.#column] = character;
    this.lines[this.#row] = row.join('');
    this.#column += 1;
  }

  #move(letter: string, by: number): void {
    if (letter === 'A') this.#moveTo(Math.max(0, this.#row - by), this.#column);
    else if (letter === 'B') this.#moveTo(this.#row + by, this.#column);
    else if (letter === 'C') this.#column += by;
    else if (letter === 'D') this.#column = Math.max(0, this.#column - by);
    else if (letter === 'G') this.#column = by - 1;
    else if (letter === 'J') {
      this.lines.length = this.#row + 1;
      this.lines[this.#row] = (this.lines[this.#row] ?? '').slice(0, this.#column);
    } else if (letter === 'K') {
      this.lines[this.#row] = (this.lines[this.#row] ?? '').slice(0, this.#column);
    }
  }

  #moveTo(row: number, column: number): void {
    this.#row = row;
    this.#column = column;
    while (this.lines.length <= row) this.lines.push('');
  }
}

export function terminalWorld(columns = 40): {
  world: World;
  terminal: TestTerminal;
  type: (keys: string) => void;
} {
  const terminal = new TestTerminal(columns);
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const world: World = {
    env: { NO_COLOR: '1' },
    cwd: '/',
    stdin,
    stdout: terminal,
    stderr: terminal,
    onSignal: () => () => undefined,
    exit: () => undefined,
  };
  return { world, terminal, type: (keys) => void stdin.write(keys) };
}
