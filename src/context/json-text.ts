// JSON text: the JSON of what may be very large, made once, without holding others up.
//
//   JT1. The text is what `JSON.stringify` gives, and what that throws is thrown.
//   JT2. Others come in between after each `BREATH_CHARS` or so of it.
import { breathe } from '../kernel/breath.ts';

const BREATH_CHARS = 1_048_576;
/** Deeper down a value is written at once: what is large is rarely so deep within one value. */
const DEPTH_MAX = 3;
/** What is smaller is written at once. */
const SMALL_CHARS = 262_144;
const MEMBER_CHARS = 4_096;

/** `null` for what JSON has no text for. */
export async function jsonText(value: unknown): Promise<string> {
  if (charsUpTo(value, SMALL_CHARS) <= SMALL_CHARS) return whole(value) ?? 'null';
  const writing = new Writing();
  return (await writing.write(value, 0)) ? writing.text : 'null';
}

/** How long its JSON is; where that is more than `charsMax`, or deep, only that it is. */
export function charsUpTo(value: unknown, charsMax: number, depth = 0): number {
  if (typeof value === 'string' && value.length > charsMax) return Infinity;
  if (!isPlain(value)) return (whole(value) ?? '').length;
  if (depth > DEPTH_MAX * 4) return (whole(value) ?? '').length;
  let chars = 2;
  if (Array.isArray(value)) {
    chars += Math.max(0, value.length - 1);
    for (const each of value) {
      if (chars > charsMax) return Infinity;
      chars += charsUpTo(each, charsMax - chars, depth + 1) || 4; // `null` stands for what has no text.
    }
    return chars;
  }
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    if (chars > charsMax) return Infinity;
    const own = charsUpTo(value[name], charsMax - chars, depth + 1);
    if (own > 0) chars += own + JSON.stringify(name).length + (chars === 2 ? 1 : 2);
  }
  return chars;
}

class Writing {
  readonly #pieces: string[] = [];
  #chars = 0;

  get text(): string {
    return this.#pieces.join('');
  }

  /** False where there is no text for it: nothing was written. */
  async write(value: unknown, depth: number, before = ''): Promise<boolean> {
    if (typeof value === 'string' && value.length > BREATH_CHARS) {
      this.#add(`${before}"`);
      for (let from = 0; from < value.length;) {
        let to = Math.min(value.length, from + BREATH_CHARS);
        const last = value.charCodeAt(to - 1);
        if (to < value.length && last >= 0xd800 && last <= 0xdbff) to -= 1; // A pair stays together.
        this.#add(JSON.stringify(value.slice(from, to)).slice(1, -1));
        if (this.#chars > BREATH_CHARS) await this.#breathe();
        from = to;
      }
      this.#add('"');
      return true;
    }
    if (depth >= DEPTH_MAX || !isPlain(value)) {
      const text = whole(value);
      if (text !== undefined) this.#add(before + text);
      return text !== undefined;
    }
    const isList = Array.isArray(value);
    this.#add(before + (isList ? '[' : '{'));
    let isFirst = true;
    for (const name of isList ? value.keys() : Object.keys(value)) {
      const comma = isFirst ? '' : ',';
      const each = (value as Record<string | number, unknown>)[name];
      const lead = isList ? comma : `${comma}${JSON.stringify(name)}:`;
      const isSmall = isPlain(each)
        ? charsUpTo(each, MEMBER_CHARS) <= MEMBER_CHARS
        : typeof each !== 'string' || each.length <= BREATH_CHARS;
      let isWritten = isSmall ? this.#small(each, lead) : await this.write(each, depth + 1, lead);
      if (!isWritten && isList) isWritten = this.#small(null, lead);
      if (isWritten) isFirst = false;
      if (this.#chars > BREATH_CHARS) await this.#breathe(); // JT2
    }
    this.#add(isList ? ']' : '}');
    return true;
  }

  #small(value: unknown, before: string): boolean {
    const text = whole(value);
    if (text !== undefined) this.#add(before + text);
    return text !== undefined;
  }

  #add(text: string): void {
    this.#pieces.push(text);
    this.#chars += text.length;
  }

  async #breathe(): Promise<void> {
    this.#chars = 0;
    await breathe();
  }
}

/** Made of nothing but its own members. */
function isPlain(value: unknown): value is Record<string, unknown> | unknown[] {
  if (typeof value !== 'object' || value === null) return false;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return false;
  if (Array.isArray(value)) return true;
  const shape: unknown = Object.getPrototypeOf(value);
  return shape === Object.prototype || shape === null;
}

function whole(value: unknown): string | undefined {
  return JSON.stringify(value) as string | undefined;
}
