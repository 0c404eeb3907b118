// Child progress: how the turns of children get on, as their parents see it.
//
//   CP1. At most one `child.progress` of a child in `progressMs`, and none while the last one is being written; the newest
//        replaces those that were not shown.
//   CP2. Nothing here throws or rejects into a child: progress that cannot be told is not told.
//   CP3. What a parent is shown is bounded in size, whatever an agent says.
//   CP4. When a turn is over nothing is kept of it, and nothing more is shown.
//   CP5. Who listens and who reads the log get the same, beginning with the first.
import type { Millis, Timer } from '../kernel/clock.ts';
import type { JsonObject } from '../kernel/json.ts';
import { bodyOf } from '../log/event.ts';
import type { SessionCore } from '../session/core.ts';
import { cut } from '../session/hand-off.ts';
import type { SessionHost } from '../session/host.ts';
import type { Turn } from '../session/turn.ts';
import type { StoredEvent } from '../store/store.ts';
import type { EventBodies } from '../wire/event.ts';
import { textOf } from '../wire/message.ts';
import type { ParentTurn, Progress } from '../wire/turn.ts';
import type { SessionRouter } from './router.ts';

const KIND_CHARS_MAX = 64;
const SUMMARY_POINTS_MAX = 200;
const MESSAGE_CHARS_MAX = 2_000;
const PATH_CHARS_MAX = 1_024;
const METADATA_CHARS_MAX = 4_096;

/** One turn of a child, while it runs. */
interface Watch {
  child: SessionCore;
  turn: string;
  asked: ParentTurn;
  startedAt: Millis;
  shownAt: Millis;
  /** The newest that was not shown; made when it is. */
  next: (() => Progress | undefined) | undefined;
  timer: Timer | undefined;
  isTelling: boolean;
}

type ProgressBody = EventBodies['child.progress'];
type Listener = (body: ProgressBody) => void;

/** What of a child's log says how it gets on. */
const TOLD: Readonly<Record<string, (event: StoredEvent) => Progress | undefined>> = {
  'turn.started': () => ({ kind: 'started' }),
  'tool.called': (event) => ({ kind: 'tool', summary: bodyOf(event, 'tool.called').name }),
  'tool.progress': (event) => {
    const { message, percent } = bodyOf(event, 'tool.progress');
    return {
      kind: 'tool',
      ...(message === undefined ? {} : { message }),
      ...(percent === undefined ? {} : { percent }),
    };
  },
  message: (event) => {
    const { role, parts } = bodyOf(event, 'message');
    const summary = role === 'assistant' ? textOf(parts).trim() : '';
    return summary === '' ? undefined : { kind: 'message', summary };
  },
  'request.opened': (event) => ({ kind: 'request', summary: bodyOf(event, 'request.opened').text }),
};

export class ChildProgress {
  readonly #host: SessionHost & { readonly router: SessionRouter };
  /** By child. */
  readonly #watches = new Map<string, Watch>();
  /** By what the turn was asked with, which is there before the turn is (CP5) and goes with it (CP4). */
  readonly #listeners = new WeakMap<ParentTurn, Set<Listener>>();

  constructor(host: SessionHost & { readonly router: SessionRouter }) {
    this.#host = host;
  }

  listen(asked: ParentTurn, listener: Listener): void {
    const listeners = this.#listeners.get(asked) ?? new Set();
    this.#listeners.set(asked, listeners.add(listener));
  }

  /** The turn itself says it. */
  told(child: SessionCore, turn: Turn, progress: Progress): void {
    const watch = this.#watchOf(child, turn);
    if (watch !== undefined) this.#note(watch, () => progress);
  }

  /** Its log says it. */
  heard(child: SessionCore, events: readonly StoredEvent[]): void {
    const turn = child.current;
    if (turn === undefined) return;
    for (const event of events) {
      if (event.turn !== turn.id) continue;
      if (event.kind === 'turn.ended') return this.over(child.row.id, turn.id);
      const tell = TOLD[event.kind];
      const watch = tell && this.#watchOf(child, turn);
      if (tell === undefined || watch === undefined) continue;
      // A message may say nothing of how the turn gets on, and must not take the place of what does.
      const said = event.kind === 'message' ? tell(event) : null;
      if (said !== undefined) this.#note(watch, () => said ?? tell(event));
    }
  }

  /** CP4. */
  over(child: string, turn: string): void {
    const watch = this.#watches.get(child);
    if (watch?.turn !== turn) return;
    watch.timer?.cancel();
    this.#watches.delete(child);
  }

  #watchOf(child: SessionCore, turn: Turn): Watch | undefined {
    const asked = turn.spec.parent;
    if (asked === null || child.row.parent === null || turn.endLogged) return undefined;
    const known = this.#watches.get(child.row.id);
    if (known?.turn === turn.id && known.child === child) return known;
    known?.timer?.cancel();
    const startedAt = this.#host.clock.monotonic();
    const watch: Watch = {
      child,
      turn: turn.id,
      asked,
      startedAt,
      shownAt: -Infinity,
      next: undefined,
      timer: undefined,
      isTelling: false,
    };
    this.#watches.set(child.row.id, watch);
    return watch;
  }

  /** CP1. */
  #note(watch: Watch, next: () => Progress | undefined): void {
    watch.next = next;
    if (watch.timer !== undefined || watch.isTelling) return;
    const { clock, limits } = this.#host;
    const leftMs = watch.shownAt + limits.progressMs - clock.monotonic();
    if (leftMs <= 0) return this.#show(watch);
    watch.timer = clock.after(leftMs, () => {
      watch.timer = undefined;
      this.#show(watch);
    });
  }

  #show(watch: Watch): void {
    const { next } = watch;
    watch.next = undefined;
    if (next === undefined || !this.#isOn(watch)) return;
    const progress = bounded(next);
    if (progress === undefined) return;
    watch.shownAt = this.#host.clock.monotonic();
    const body: ProgressBody = {
      ...progress,
      session: watch.child.row.id,
      turnNumber: watch.child.spending.spent.turns + 1,
      elapsedMs: Math.round(watch.shownAt - watch.startedAt),
    };
    this.#call(watch, body);
    watch.isTelling = true;
    this.#tell(watch, body)
      .catch((error: unknown) => this.#failed(watch, error))
      .finally(() => {
        watch.isTelling = false;
        if (watch.next !== undefined && this.#isOn(watch)) this.#note(watch, watch.next);
      });
  }

  async #tell(watch: Watch, body: ProgressBody): Promise<void> {
    const { child, asked } = watch;
    if (child.row.parent === null) return;
    await this.#host.router.usingById(child.row.parent, async ({ core: parent }) => {
      if (!this.#isOn(watch) || parent.closing || parent.row.state === 'closed') return;
      const turn = asked.session === parent.row.id ? asked.turn : null;
      const row = { lastActiveAt: this.#host.clock.now() };
      await parent.append([{ kind: 'child.progress', turn, body }], { row });
    });
  }

  #call(watch: Watch, body: ProgressBody): void {
    for (const listener of this.#listeners.get(watch.asked) ?? []) {
      try {
        listener(structuredClone(body)); // It is the listener's own: the log's stays as it is.
      } catch (error) {
        this.#failed(watch, error); // CP2
      }
    }
  }

  #failed(watch: Watch, error: unknown): void {
    this.#host.logger.warn('child.progress_failed', {
      session: watch.child.row.id,
      turn: watch.turn,
      error,
    });
  }

  #isOn(watch: Watch): boolean {
    return this.#watches.get(watch.child.row.id) === watch;
  }
}

/** CP2, CP3. Undefined where there is nothing that could be shown. */
function bounded(make: () => Progress | undefined): Progress | undefined {
  try {
    const given = make();
    if (given === undefined || typeof given.kind !== 'string' || given.kind === '') return undefined;
    const { summary, message, percent, filePath, metadata } = given;
    return {
      kind: cut(given.kind, KIND_CHARS_MAX),
      ...(typeof summary === 'string' ? { summary: pointsOf(summary) } : {}),
      ...(typeof message === 'string' ? { message: cut(message, MESSAGE_CHARS_MAX) } : {}),
      ...(Number.isFinite(percent) ? { percent: Math.min(100, Math.max(0, Number(percent))) } : {}),
      ...(typeof filePath === 'string' ? { filePath: cut(filePath, PATH_CHARS_MAX) } : {}),
      ...extras(metadata),
    };
  } catch {
    return undefined; // It has no JSON.
  }
}

function extras(metadata: JsonObject | undefined): { metadata?: JsonObject } {
  const text = metadata === undefined ? undefined : JSON.stringify(metadata);
  if (text === undefined || text.length > METADATA_CHARS_MAX || !text.startsWith('{')) return {};
  return { metadata: JSON.parse(text) as JsonObject };
}

function pointsOf(text: string): string {
  return Array.from(text.slice(0, 2 * SUMMARY_POINTS_MAX))
    .slice(0, SUMMARY_POINTS_MAX)
    .join('');
}
