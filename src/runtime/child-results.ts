// Child results: who waits for the end of a child's turn, and what they get.
//
//   CR1. A result is told when the parent's log has it and the child's turn has freed its place.
//   CR2. One that was told before is found again: in the parent's log, or for a turn that nobody's turn asked for in the
//        child's own.
//   CR3. Who leaves, leaves nothing behind.
//   CR4. A result has whole what the log only refers to: its text, and the first images up to `SHOWN_MAX` and
//        `SHOWN_BYTES_MAX`, so that a model can be shown them. Those beyond stay references.
import { Buffer } from 'node:buffer';
import { SojournError } from '../kernel/errors.ts';
import type { ChildResult } from '../agent/agent.ts';
import type { SessionCore } from '../session/core.ts';
import type { SessionHost } from '../session/host.ts';
import type { ArtifactRef, FilePart } from '../wire/message.ts';
import type { SessionRouter } from './router.ts';
import { type EndBody, endOf } from './child-end.ts';

const SHOWN_MAX = 4;
const SHOWN_BYTES_MAX = 4 * 1024 * 1024;

export class ChildResults {
  readonly #host: SessionHost & { readonly router: SessionRouter };
  readonly #waiters = new Map<string, Set<(end: EndBody) => void>>();

  constructor(host: SessionHost & { readonly router: SessionRouter }) {
    this.#host = host;
  }

  /** Rejects with the reason of the first signal that aborts, and with `turn.not_found`. */
  async wait(
    parent: SessionCore,
    child: string,
    turn: string,
    signals: readonly AbortSignal[],
  ): Promise<ChildResult> {
    for (const signal of signals) signal.throwIfAborted();
    const end = await this.#told(`${child}:${turn}`, signals, () => this.#known(parent, child, turn));
    return this.#result(parent.row.project, end);
  }

  /** CR1. */
  tell(end: EndBody): void {
    const place = `${end.session}:${end.turn}`;
    const waiters = this.#waiters.get(place);
    this.#waiters.delete(place);
    for (const tell of waiters ?? []) tell(end);
  }

  #told(
    place: string,
    signals: readonly AbortSignal[],
    known: () => Promise<EndBody | undefined>,
  ): Promise<EndBody> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(place) ?? new Set();
      this.#waiters.set(place, waiters);
      const off = (): void => {
        waiters.delete(tell);
        if (waiters.size === 0 && this.#waiters.get(place) === waiters) this.#waiters.delete(place);
        for (const signal of signals) signal.removeEventListener('abort', leave);
      };
      const tell = (end: EndBody): void => {
        off(); // CR3
        resolve(end);
      };
      const leave = (): void => {
        const reason: unknown = signals.find(({ aborted }) => aborted)?.reason;
        off();
        reject(reason);
      };
      waiters.add(tell);
      for (const signal of signals) signal.addEventListener('abort', leave, { once: true });
      known().then(
        (end) => end !== undefined && tell(end),
        (error: unknown) => {
          off();
          reject(error);
        },
      );
    });
  }

  /** CR2. Undefined for one that will be told. */
  async #known(parent: SessionCore, child: string, turn: string): Promise<EndBody | undefined> {
    const { store, clock, router } = this.#host;
    const num = parent.log.num;
    const row = num === undefined ? null : await store.once(num, `child:${child}:${turn}`, clock.now());
    if (row !== null) return JSON.parse(row.receipt) as EndBody;
    // It is brought into memory, so that it goes on where nobody had taken it up.
    const open = await router.usingById(child, async (session) => ({ turn: session.turn(turn) }));
    if (open?.turn !== undefined && open.turn.spec.parent !== null) return undefined;
    await open?.turn?.over;
    const session = await store.byId(child);
    const ended = session === null ? null : await store.turn(session.num, turn);
    const end = session && ended && (await endOf(store, session, ended, clock.now()));
    if (end) return end.body;
    throw new SojournError('turn.not_found', `Child ${child} has no turn ${turn.slice(0, 64)}`);
  }

  /** CR4. */
  async #result(project: string, end: EndBody): Promise<ChildResult> {
    const { outcome, error, usage, costUsd, handOff, ref } = end;
    const text =
      ref === undefined
        ? end.text
        : Buffer.from(await this.#host.files.read(project, ref.artifact)).toString('utf8');
    return {
      outcome,
      text,
      isError: outcome !== 'completed',
      ...(error === undefined ? {} : { error }),
      usage: { ...usage },
      costUsd,
      sessionCompleted: end.sessionCompleted === true,
      images: await this.#shown(project, end.images ?? []),
      ...(handOff === undefined ? {} : { handOff }),
    };
  }

  /** CR4. */
  async #shown(project: string, images: readonly FilePart[]): Promise<FilePart[]> {
    const shown: FilePart[] = [];
    let bytes = 0;
    for (const image of images) {
      const { ref, ...rest } = image;
      const size = ref?.bytes ?? Buffer.byteLength(image.data ?? '', 'base64');
      const isShown = shown.length < SHOWN_MAX && bytes + size <= SHOWN_BYTES_MAX;
      if (isShown) bytes += size;
      const data = ref === undefined || !isShown ? undefined : await this.#restored(project, ref);
      shown.push(data === undefined ? image : { ...rest, data });
    }
    return shown;
  }

  /** Undefined for one that is not there any more: the result is told without it. */
  async #restored(project: string, { artifact }: ArtifactRef): Promise<string | undefined> {
    try {
      return Buffer.from(await this.#host.files.read(project, artifact)).toString('base64');
    } catch (error) {
      if (!SojournError.is(error, 'artifact.not_found')) throw error;
      return undefined;
    }
  }
}
