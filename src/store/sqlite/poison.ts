// Poison: which (session, epoch) pairs have had a failed append (S3 of the contract). Lives in the writer, because only
// there the order of the appends of a session is known for sure.
//
//   P1. What changes during a group counts once the group is committed; a rolled back group leaves no trace.
//   P2. At most one entry a session: an epoch that has passed is fenced anyway.
import type { Epoch, SessionNum } from '../store.ts';

export class Poison {
  readonly #epochs = new Map<SessionNum, Epoch>();
  #before: [SessionNum, Epoch | undefined][] = [];

  has(num: SessionNum, epoch: Epoch): boolean {
    return this.#epochs.get(num) === epoch;
  }

  add(num: SessionNum, epoch: Epoch): void {
    const known = this.#epochs.get(num);
    if (known !== undefined && known >= epoch) return;
    this.#before.push([num, known]);
    this.#epochs.set(num, epoch);
  }

  lift(num: SessionNum): void {
    const known = this.#epochs.get(num);
    if (known === undefined) return;
    this.#before.push([num, known]);
    this.#epochs.delete(num);
  }

  committed(): void {
    this.#before = [];
  }

  rolledBack(): void {
    for (const [num, epoch] of this.#before.reverse()) {
      if (epoch === undefined) this.#epochs.delete(num);
      else this.#epochs.set(num, epoch);
    }
    this.#before = [];
  }
}
