// VerifiedFiles: which artifact files hold what they are named after, as far as this process has looked.
//
//   VF1. What was found whole counts as whole as long as it is the same file, of the same size, that nobody has written to
//        since. What was found damaged is not remembered: it may be put again.
//   VF2. A file is read through once, however many ask meanwhile, and in slices, so that it does not hold up the event loop.
//   VF3. At most `REMEMBERED_MAX` are remembered; of the others each reading begins with another look.
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

const SLICE_BYTES = 1_024 * 1_024;
const REMEMBERED_MAX = 4_096;

export class VerifiedFiles {
  /** How each was when it was found whole, by its name; the one asked for longest ago first. */
  readonly #whole = new Map<string, string>();
  /** By name and how it is. */
  readonly #looking = new Map<string, Promise<boolean>>();

  /** `name` is the file's alone, `stat` of what is open. Rejects where it cannot be read. */
  async isWhole(name: string, digest: string, file: FileHandle, stat: Stats): Promise<boolean> {
    const state = stateOf(stat);
    if (this.#whole.get(name) === state) {
      this.note(name, stat);
      return true;
    }
    const asked = `${name} ${state}`;
    const looking = this.#looking.get(asked) ?? this.#look(asked, digest, file, stat.size); // VF2
    const isWhole = await looking;
    if (isWhole) this.note(name, stat);
    return isWhole;
  }

  /** It was read as a whole, and is what it should be. */
  note(name: string, stat: Stats): void {
    this.#whole.delete(name);
    this.#whole.set(name, stateOf(stat));
    const [oldest] = this.#whole.keys();
    if (this.#whole.size > REMEMBERED_MAX && oldest !== undefined) this.#whole.delete(oldest); // VF3
  }

  async #look(asked: string, digest: string, file: FileHandle, bytes: number): Promise<boolean> {
    const looking = digestOf(file, bytes).then((found) => found === digest);
    this.#looking.set(asked, looking);
    try {
      return await looking;
    } finally {
      this.#looking.delete(asked);
    }
  }
}

/** VF1. */
function stateOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
}

/** Of its first `bytes`, or of what there is. */
export async function digestOf(file: FileHandle, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  const slice = new Uint8Array(Math.min(SLICE_BYTES, bytes));
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await file.read(slice, 0, Math.min(slice.byteLength, bytes - at), at);
    if (bytesRead === 0) break;
    hash.update(slice.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
}
