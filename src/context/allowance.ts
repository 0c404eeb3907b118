// Allowance: how many bytes of artifacts one session, and one project, may have.
//
// Owns the sums. Owns no files and no rows: what a session's log refers to is what the store says.
//
//   AL1. A project's bytes are those of its distinct artifacts; a session's those of all it refers to. What is there
//        already costs nothing again.
//   AL2. A sum is asked from the store once and moved here from then on, together with what is on its way. Before it
//        refuses, and after something was erased, it is asked again.
//   AL3. What is on its way counts from the moment it is granted, and for `KEPT_MS` at most where its row never comes.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { Limits } from '../kernel/limits.ts';
import type { RowStore, SessionNum } from '../store/store.ts';

const KEPT_MS: Millis = 10 * 60_000;
/** A sum that is this young is believed when it refuses. */
const YOUNG_MS: Millis = 60_000;

export type Grant =
  | { kind: 'granted' }
  /** The session refers to it already. */
  | { kind: 'kept' }
  /** There is no room; `detail` says of what. */
  | { kind: 'refused'; detail: string };

export interface AllowanceOptions {
  store: Pick<RowStore, 'artifact' | 'artifactBytes' | 'artifactBytesOf' | 'referred'>;
  clock: Clock;
  limits: Pick<Limits, 'artifactBytesPerSessionMax' | 'artifactBytesPerProjectMax'>;
}

export class Allowance {
  readonly #options: AllowanceOptions;
  readonly #projects = new Map<string, Tally>();

  constructor(options: AllowanceOptions) {
    this.#options = options;
  }

  /** Of one session; `num` tells its number once it has one. */
  of(project: string, num: () => SessionNum | undefined): SessionAllowance {
    return new SessionAllowance(this.#options, this.#projectOf(project), project, num);
  }

  /** Artifacts of the project were erased (AL2). */
  erased(project: string): void {
    this.#projects.get(project)?.forget();
  }

  #projectOf(project: string): Tally {
    let tally = this.#projects.get(project);
    if (tally === undefined) {
      const { store, clock, limits } = this.#options;
      tally = new Tally(clock, limits.artifactBytesPerProjectMax, () => store.artifactBytesOf(project));
      this.#projects.set(project, tally);
    }
    return tally;
  }
}

export class SessionAllowance {
  readonly #options: AllowanceOptions;
  readonly #project: string;
  readonly #num: () => SessionNum | undefined;
  readonly #ofProject: Tally;
  /** Most sessions move nothing out, and hold nothing for it. */
  #ofSession: Tally | undefined;

  /** Use `Allowance.of`. */
  constructor(
    options: AllowanceOptions,
    ofProject: Tally,
    project: string,
    num: () => SessionNum | undefined,
  ) {
    this.#options = options;
    this.#project = project;
    this.#num = num;
    this.#ofProject = ofProject;
  }

  async ask(digest: string, bytes: number): Promise<Grant> {
    const { store } = this.#options;
    const num = this.#num();
    if (num !== undefined && (await store.artifact(num, digest)) !== null) return { kind: 'kept' }; // AL1
    const [known] = await store.referred(this.#project, [digest]);
    const costs = known === undefined ? bytes : 0;
    const [ofSession, ofProject] = [(this.#ofSession ??= this.#tally()), this.#ofProject];
    await Promise.all([ofSession.ready(bytes), ofProject.ready(costs)]);
    if (!ofSession.fits(digest, bytes)) return { kind: 'refused', detail: ofSession.detail('session') };
    if (!ofProject.fits(digest, costs)) return { kind: 'refused', detail: ofProject.detail('project') };
    ofSession.add(digest, bytes);
    ofProject.add(digest, costs);
    return { kind: 'granted' };
  }

  /** The row of what was granted is written, or will never be. */
  settled(digest: string): void {
    this.#ofSession?.settle(digest);
    this.#ofProject.settle(digest);
  }

  /** What was granted could not be kept. */
  failed(digest: string): void {
    this.#ofSession?.drop(digest);
    this.#ofProject.drop(digest);
  }

  #tally(): Tally {
    const { store, clock, limits } = this.#options;
    return new Tally(clock, limits.artifactBytesPerSessionMax, async () => {
      const num = this.#num();
      return num === undefined ? 0 : store.artifactBytes(num);
    });
  }
}

/** One sum, and what is on its way to it. */
class Tally {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #ask: () => Promise<number>;
  /** What the store said, with what has settled since. */
  #bytes = 0;
  #askedAt: Millis | undefined;
  #asking: Promise<void> | undefined;
  /** The one granted longest ago first. */
  readonly #coming = new Map<string, { bytes: number; at: Millis }>();
  #comingBytes = 0;

  constructor(clock: Clock, bytesMax: number, ask: () => Promise<number>) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#ask = ask;
  }

  /** AL2. Resolves when the sum may be relied on for so many bytes more. */
  async ready(bytes: number): Promise<void> {
    if (bytes === 0 || this.#bytesMax === Infinity) return;
    const asked = this.#askedAt;
    const isOld = asked === undefined || this.#clock.monotonic() - asked > YOUNG_MS;
    if (isOld && (asked === undefined || this.#sum + bytes > this.#bytesMax)) await this.#askOnce();
  }

  forget(): void {
    this.#askedAt = undefined;
  }

  fits(digest: string, bytes: number): boolean {
    this.#expire();
    return bytes === 0 || this.#coming.has(digest) || this.#sum + bytes <= this.#bytesMax;
  }

  add(digest: string, bytes: number): void {
    if (bytes === 0 || this.#coming.has(digest)) return;
    this.#coming.set(digest, { bytes, at: this.#clock.monotonic() });
    this.#comingBytes += bytes;
  }

  settle(digest: string): void {
    this.#bytes += this.#coming.get(digest)?.bytes ?? 0;
    this.drop(digest);
  }

  drop(digest: string): void {
    this.#comingBytes -= this.#coming.get(digest)?.bytes ?? 0;
    this.#coming.delete(digest);
  }

  detail(whose: 'session' | 'project'): string {
    return `The artifacts of this ${whose} have ${this.#sum} bytes, and ${this.#bytesMax} are allowed`;
  }

  get #sum(): number {
    return this.#bytes + this.#comingBytes;
  }

  #askOnce(): Promise<void> {
    this.#asking ??= this.#ask()
      .then((bytes) => {
        this.#bytes = bytes;
        this.#askedAt = this.#clock.monotonic();
      })
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** AL3. */
  #expire(): void {
    const now = this.#clock.monotonic();
    for (const [digest, { at }] of this.#coming) {
      if (now - at <= KEPT_MS) break;
      this.drop(digest);
    }
  }
}
