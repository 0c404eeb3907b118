// Chat screen: what is said, above the line that is being typed.
//
//   H1. What the agent says is shown the moment it comes, also while somebody types.
//   H2. What is typed is never mixed into what is said: on a terminal the prompt stays below it.
//   H3. Without a terminal the words go to stdout and remarks to stderr, so that a pipe gets the words alone.
import { createInterface, type Interface } from 'node:readline';
import { visible, type Screen, type Style } from './screen.ts';
import { wrapped } from './wrap.ts';
import type { World } from './world.ts';

const COLUMNS_MIN = 10;

export interface ChatScreen {
  readonly terminal: boolean;
  /** Goes on with what is being said. */
  say(text: string, style?: Style): void;
  /** What follows begins on a new line. */
  pause(): void;
  /** A remark on a line of its own. */
  note(text: string): void;
  /** A question to the person. */
  ask(text: string): void;
  /** What stands before the line that is typed. */
  prompt(text: string): void;
  close(): void;
}

export interface ChatInput {
  line: (text: string) => void;
  /** Ctrl-C. */
  interrupt: () => void;
  /** Ctrl-D, or the end of the pipe. */
  end: () => void;
}

export function chatScreen(world: World, screen: Screen, input: ChatInput): ChatScreen {
  const terminal = world.stdin.isTTY === true && world.stdout.isTTY === true && !screen.json;
  const typed = createInterface({
    input: world.stdin,
    terminal,
    prompt: '',
    ...(terminal ? { output: world.stdout } : {}),
  });
  const shown = terminal
    ? new TerminalScreen(world, screen, typed, input)
    : pipeScreen(world, screen, typed, input);
  typed.on('close', input.end);
  return shown;
}

function pipeScreen(world: World, screen: Screen, typed: Interface, input: ChatInput): ChatScreen {
  let midLine = false;
  const unwatch = world.onSignal('SIGINT', input.interrupt);
  const say = (text: string): void => {
    if (text === '' || screen.json) return;
    screen.write(visible(text));
    midLine = !text.endsWith('\n');
  };
  typed.on('line', input.line);
  return {
    terminal: false,
    say: (text, style) => (style === undefined ? say(text) : undefined), // H3: asides are no words.
    pause: () => (midLine ? say('\n') : undefined),
    note: (text) => screen.note(text),
    ask: (text) => screen.note(text),
    prompt: () => undefined,
    close() {
      unwatch();
      typed.close();
      world.stdin.destroy();
    },
  };
}

class TerminalScreen implements ChatScreen {
  readonly terminal = true;
  readonly #world: World;
  readonly #screen: Screen;
  readonly #typed: Interface;
  /** The last row above the prompt, while what is said may go on in it. */
  #open: { text: string; style: Style | undefined } = { text: '', style: undefined };
  /** Nothing can be typed any more, so that no prompt stands below what is said. */
  #ended = false;
  #closed = false;

  constructor(world: World, screen: Screen, typed: Interface, input: ChatInput) {
    this.#world = world;
    this.#screen = screen;
    this.#typed = typed;
    typed.on('line', (text) => {
      this.#open.text = ''; // The row above now has the typed line below it.
      input.line(text);
      typed.prompt(true);
    });
    typed.on('SIGINT', input.interrupt);
    typed.on('close', () => {
      this.#ended = true;
    });
  }

  say(text: string, style?: Style): void {
    if (text === '') return;
    if (this.#open.text !== '' && style !== this.#open.style) this.pause();
    this.#open.style = style;
    this.#draw(this.#open.text + visible(text).replaceAll('\t', '    '), this.#open.text !== '');
  }

  pause(): void {
    this.#open.text = '';
  }

  note(text: string): void {
    this.pause();
    this.#open.style = 'dim';
    this.#draw(`${text}\n`, false);
  }

  ask(text: string): void {
    this.pause();
    this.say(`${text}\n`, 'cyan');
  }

  prompt(text: string): void {
    this.#typed.setPrompt(text);
    if (!this.#ended) this.#typed.prompt(true);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#world.stdout.write('\r\u001b[J');
    this.#typed.close();
  }

  /** Writes `text` above the prompt, in place of the open row where `inPlace`. */
  #draw(text: string, inPlace: boolean): void {
    if (this.#closed) return;
    // A terminal that does not know how wide it is says 0.
    const columns = Math.max(COLUMNS_MIN, this.#world.stdout.columns || 80) - 1;
    const rows = text.split('\n').flatMap((line) => wrapped(line, columns));
    const last = rows.pop() ?? '';
    const up = this.#typed.getCursorPos().rows + (inPlace ? 1 : 0);
    const shown = (last === '' ? rows : [...rows, last]).map((row) => `${this.#painted(row)}\n`);
    this.#open.text = last;
    this.#world.stdout.write(`${up > 0 ? `\u001b[${up}A` : ''}\r\u001b[J${shown.join('')}`);
    // Readline would go up by the rows it last drew; they are gone.
    (this.#typed as Interface & { prevRows?: number }).prevRows = 0;
    if (!this.#ended) this.#typed.prompt(true);
  }

  #painted(row: string): string {
    return this.#open.style === undefined ? row : this.#screen.style(this.#open.style, row);
  }
}
