// Child bounds: whether one more child may be at work, and where it may stand.
//
//   CB1. Depth: a child of a session that stands `childDepthMax` deep is refused.
//   CB2. A cycle: an agent may ask itself (that is recursion, and its depth is bounded), and two agents may ask each other
//        back. But where the same step from one agent to another stands above already, the work goes in a circle.
//   CB3. Numbers are looked at in the step that takes the place: those who ask at once cannot all find it free. What is at
//        work already takes no more.
//   CB4. One owner cannot fill all places: sessions without one count for whoever made them.
import { SojournError } from '../kernel/errors.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Session } from '../session/session.ts';
import type { SessionRow, SessionStore } from '../store/store.ts';

/** When a place may be free again: nobody can know, but turns end within seconds. */
const RETRY_MS = 1_000;

interface BoundsHost {
  readonly store: SessionStore;
  readonly limits: Limits;
  readonly router: { readonly sessions: Iterable<Session> };
}

export class ChildBounds {
  readonly #host: BoundsHost;

  constructor(host: BoundsHost) {
    this.#host = host;
  }

  /** CB1, CB2. Throws `child.depth` or `child.cycle`. */
  async checkStanding(parent: SessionRow, agent: string): Promise<void> {
    const { childDepthMax } = this.#host.limits;
    const line: SessionRow[] = [];
    for (let row: SessionRow | null = parent; row !== null; row = await this.#above(row)) {
      line.push(row);
      if (line.length <= childDepthMax) continue;
      throw new SojournError(
        'child.depth',
        `A child of ${parent.key} would stand deeper than ${childDepthMax}, which is the most`,
      );
    }
    const isAbove = line.some(
      (row, index) =>
        row.agent === agent && line[index + 1]?.agent === parent.agent && agent !== parent.agent,
    );
    if (!isAbove) return;
    const path = line.map((row) => row.agent).toReversed();
    throw new SojournError(
      'child.cycle',
      `${parent.agent} asks ${agent} below ${path.join(', ')}, where it has asked ${agent} before`,
    );
  }

  /** CB3. Throws `child.limit` or `capacity`. */
  checkNumber(parent: SessionRow, child: Session): void {
    if (child.turns().length > 0) return;
    const { childrenMax, childrenPerOwnerMax } = this.#host.limits;
    let ofParent = 0;
    let ofOwner = 0;
    for (const session of this.#host.router.sessions) {
      const { row } = session.core;
      if (row.parent === null || session.turns().length === 0) continue;
      if (row.parent === parent.id) ofParent += 1;
      if (isOfOne(row, parent)) ofOwner += 1;
    }
    if (ofParent >= childrenMax)
      throw new SojournError('child.limit', `Session ${parent.key} has ${ofParent} children at work`);
    if (ofOwner < childrenPerOwnerMax) return;
    throw new SojournError(
      'capacity',
      `${ofOwner} children are at work for ${parent.owner ?? 'one owner'}, and ${childrenPerOwnerMax} may be`,
      { retryAfterMs: RETRY_MS },
    );
  }

  async #above(row: SessionRow): Promise<SessionRow | null> {
    return row.parent === null ? null : this.#host.store.byId(row.parent);
  }
}

/** CB4. */
function isOfOne(one: SessionRow, other: SessionRow): boolean {
  if (one.project !== other.project || one.owner !== other.owner) return false;
  return one.owner !== null || one.maker === other.maker;
}
