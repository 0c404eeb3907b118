// WriteAheadLog: whether the log beside a database is all there, looked at before SQLite opens it: SQLite takes what comes
// before the first damage for the whole log, and writes over the rest without a word.
//
//   WL1. What a power loss leaves is no damage: of a log whose every commit was synced, the last may be torn. One more
//        commit behind the first damage was synced after it, so it was acknowledged.
//   WL2. A log of this name is read only while no one has it open (F3 of folder.ts).
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The last bit says which end of a word comes first in checksums. */
const MAGIC = 0x377f0682;
const FRAMES_A_READ = 256;

export interface LogDamage {
  /** The first one damaged, from 1; 0 is the header. */
  frame: number;
  /** Behind it. */
  commits: number;
  /** Up to here it is whole. */
  bytes: number;
}

/** Undefined where it is whole, as far as can be told. */
export function logDamage(path: string): LogDamage | undefined {
  const file = openSync(path, 'r');
  try {
    return new Reading(file, fstatSync(file).size).damage();
  } finally {
    closeSync(file);
  }
}

class Reading {
  readonly #file: number;
  readonly #bytes: number;
  #isBigEnd = false;
  #sums: [number, number] = [0, 0];

  constructor(file: number, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  damage(): LogDamage | undefined {
    if (this.#bytes <= HEADER_BYTES) return undefined; // Nothing was ever committed to it.
    const header = this.#read(0, HEADER_BYTES);
    this.#isBigEnd = (header.readUInt32BE(0) & 1) === 1;
    this.#add(header, 0, 24);
    const isLog = (header.readUInt32BE(0) & ~1) === MAGIC;
    if (!isLog || !this.#isSum(header, 24)) return { frame: 0, commits: 0, bytes: 0 };
    return this.#frames(header.readUInt32BE(8), header.readBigUInt64BE(16));
  }

  #frames(pageBytes: number, salts: bigint): LogDamage | undefined {
    const frameBytes = FRAME_HEADER_BYTES + pageBytes;
    const all = Math.floor((this.#bytes - HEADER_BYTES) / frameBytes);
    let damaged: number | undefined;
    let commits = 0;
    for (let first = 0; first < all; first += FRAMES_A_READ) {
      const count = Math.min(FRAMES_A_READ, all - first);
      const frames = this.#read(HEADER_BYTES + first * frameBytes, count * frameBytes);
      for (let index = 0; index < count; index++) {
        const frame = frames.subarray(index * frameBytes, (index + 1) * frameBytes);
        const isOfThis = frame.readBigUInt64BE(8) === salts;
        if (damaged === undefined && !(isOfThis && this.#follows(frame))) damaged = first + index;
        if (damaged !== undefined && isOfThis && frame.readUInt32BE(4) > 0) commits += 1;
      }
    }
    if (damaged === undefined || commits < 2) return undefined; // WL1.
    return { frame: damaged + 1, commits, bytes: HEADER_BYTES + damaged * frameBytes };
  }

  #follows(frame: Buffer): boolean {
    this.#add(frame, 0, 8);
    this.#add(frame, FRAME_HEADER_BYTES, frame.length);
    return this.#isSum(frame, 16);
  }

  #isSum(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32BE(at) === this.#sums[0] && bytes.readUInt32BE(at + 4) === this.#sums[1];
  }

  /** As SQLite sums up what it writes; a sum goes on from what came before. */
  #add(bytes: Buffer, from: number, to: number): void {
    let [one, two] = this.#sums;
    for (let at = from; at < to; at += 8) {
      one = (one + this.#word(bytes, at) + two) >>> 0;
      two = (two + this.#word(bytes, at + 4) + one) >>> 0;
    }
    this.#sums = [one, two];
  }

  #word(bytes: Buffer, at: number): number {
    return this.#isBigEnd ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }

  #read(at: number, count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let read = 0; read < count;) {
      const more = readSync(this.#file, bytes, read, count - read, at + read);
      if (more === 0) break;
      read += more;
    }
    return bytes;
  }
}
