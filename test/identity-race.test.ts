// Sign-ins in whatever order things happen: many at once, restarts, crashes, sweeps, and a store that fails now and then,
// beside a plain account of what must be so. A failing run prints its seed and the shortest way to it.
//
//   R1. Who was told that a sign-in is over never sees it live again.
//   R2. A sign-in within its times is live, and one beyond them is not; a crash forgets at most what had no time to be
//       written, and of what was used before that one interval of writing.
//   R3. One name is one identity, whoever signs in, and whenever.
//   R4. Who watches a sign-in is told of its end exactly once, and not before it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSignIns, type SignIns } from '../src/identity/identity.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { MemoryDisk, MemoryStore } from '../src/testing/memory-store.ts';

const SECOND = 1_000;
const IDLE = 100 * SECOND;
const WHOLE = 300 * SECOND;
const TOUCH = 10 * SECOND;
const LIMITS = {
  signInIdleMsMax: IDLE,
  signInMsMax: WHOLE,
  signInTouchMs: TOUCH,
  signInSweepMs: 50 * SECOND,
};
const NAMES = ['Hal', 'HAL ', 'hal', 'Eve', 'eve'];

/** What must be so of one sign-in. */
interface Account {
  token: string;
  id: string;
  madeMs: number;
  usedMs: number;
  /** What the store knows of its use, at least. */
  sureMs: number;
  /** A crash may have forgotten so much of it. */
  slackMs: number;
  isOver: boolean;
  /** Somebody has begun to sign it out. */
  isLeaving: boolean;
  /** Since the last start. */
  isWatched: boolean;
}

type Step =
  | { kind: 'sign-in'; name: string }
  | { kind: 'ask' | 'out' | 'watch'; at: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'sweep' | 'restart' | 'crash' | 'fail' | 'mend' };

class Scene {
  readonly clock = new ManualClock();
  readonly #disk = new MemoryDisk();
  readonly #accounts: Account[] = [];
  readonly #identities = new Map<string, string>();
  #watches: { account: Account; told: number }[] = [];
  readonly #broken: string[] = [];
  #fails = false;
  /** Since the last start. */
  #hasFailed = false;
  #store: MemoryStore;
  #signIns: SignIns;

  constructor() {
    [this.#store, this.#signIns] = this.#open();
  }

  #open(): [MemoryStore, SignIns] {
    const { clock } = this;
    const gate = async (step: string): Promise<void> => {
      if (this.#fails && step === 'commit') throw new Error('disk I/O error');
    };
    const store = new MemoryStore({ clock, disk: this.#disk, gate });
    return [store, createSignIns({ store, clock, limits: LIMITS })];
  }

  async run(step: Step): Promise<void> {
    if (step.kind === 'sign-in') return this.#signIn(step.name);
    if (step.kind === 'ask') return this.#ask(this.#accounts[step.at]);
    if (step.kind === 'out') return this.#out(this.#accounts[step.at]);
    if (step.kind === 'watch') return this.#watch(this.#accounts[step.at]);
    if (step.kind === 'pass') return this.#pass(step.ms);
    if (step.kind === 'sweep') return this.#signIns.sweep().catch(() => undefined);
    if (step.kind === 'restart') return this.#restart();
    if (step.kind === 'crash') return this.#crash();
    this.#fails = step.kind === 'fail';
    this.#hasFailed ||= this.#fails;
  }

  /** What was due has been written by the end of it, where nothing fails. */
  async #pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    if (this.#hasFailed) return;
    for (const account of this.#accounts) account.sureMs = Math.max(account.sureMs, account.usedMs - TOUCH);
  }

  async #signIn(name: string): Promise<void> {
    const now = this.clock.now();
    const made = await this.#signIns.signIn({ name }).catch(() => undefined);
    if (made === undefined) return holds(this.#fails, 'only a failing store refuses');
    const key = name.trim().toLowerCase();
    const known = this.#identities.get(key) ?? made.identity.id;
    holds(made.identity.id === known, 'R3: one name is one identity');
    this.#identities.set(key, made.identity.id);
    const { token, id } = made;
    this.#accounts.push({
      token,
      id,
      madeMs: now,
      usedMs: now,
      sureMs: now,
      slackMs: 0,
      isOver: false,
      isLeaving: false,
      isWatched: false,
    });
  }

  async #ask(account: Account | undefined): Promise<void> {
    if (account === undefined) return;
    const now = this.clock.now();
    const wasOver = account.isOver;
    const idleMs = now - account.usedMs;
    const mustBeOver = now - account.madeMs > WHOLE || idleMs > IDLE;
    const mayBeOver = mustBeOver || idleMs + account.slackMs > IDLE;
    const { kind } = await this.#signIns.validate(account.token);
    holds(!(wasOver && kind === 'live'), 'R1: what is over stays over');
    holds(!(mustBeOver && kind === 'live'), 'R2: beyond its times it is over');
    if (kind === 'live') {
      account.usedMs = Math.max(account.usedMs, now);
      account.slackMs = 0;
    } else {
      holds(account.isOver || mayBeOver, 'R2: within its times it lives');
      account.isOver = true;
    }
  }

  async #out(account: Account | undefined): Promise<void> {
    if (account === undefined) return;
    account.isLeaving = true;
    const isDone = await this.#signIns.signOut(account.token).then(
      () => true,
      () => false,
    );
    if (isDone) account.isOver = true;
    else holds(this.#fails, 'only a failing store refuses');
  }

  /** R4. What a watcher throws is caught where it is called, so it is written down here. */
  #watch(account: Account | undefined): void {
    if (account === undefined || account.isWatched) return;
    account.isWatched = true;
    const watch = { account, told: 0 };
    this.#watches.push(watch);
    const begun = this.#signIns;
    this.#signIns.watch(account.id, () => {
      if (begun !== this.#signIns) return;
      watch.told += 1;
      const now = this.clock.now();
      const isDue = now - account.madeMs > WHOLE || now - account.usedMs + account.slackMs > IDLE;
      if (!account.isOver && !account.isLeaving && !isDue && !this.#fails)
        this.#broken.push('told too early');
      account.isOver = true;
    });
  }

  /** R4. */
  async #checkWatches(): Promise<void> {
    await this.clock.advance(0);
    for (const { account, told } of this.#watches) {
      if (told > 1) this.#broken.push(`told ${told} times`);
      if (told === 0 && account.isOver) this.#broken.push('never told');
    }
    holds(this.#broken.length === 0, `R4: ${this.#broken.join(', ')}`);
  }

  async #restart(): Promise<void> {
    this.#fails = false;
    await this.#signIns.close();
    await this.#store.close();
    for (const account of this.#accounts) account.sureMs = account.usedMs;
    this.#begin();
  }

  async #crash(): Promise<void> {
    this.#fails = false;
    this.#store.crash();
    this.#begin();
  }

  #begin(): void {
    this.#hasFailed = false;
    [this.#store, this.#signIns] = this.#open();
    this.#watches = [];
    for (const account of this.#accounts) {
      account.slackMs = account.usedMs - account.sureMs;
      account.isWatched = false;
    }
  }

  /** In the end everything is asked once more, and nothing is left. */
  async end(): Promise<void> {
    this.#fails = false;
    for (const account of this.#accounts) await this.#ask(account);
    await this.#checkWatches();
    await this.#restart();
    for (const account of this.#accounts) await this.#ask(account);
    await this.clock.advance(WHOLE + TOUCH + SECOND);
    await this.#signIns.sweep();
    await this.#signIns.sweep();
    holds((await this.#signIns.count()) === 0, 'in the end nobody is signed in');
    await this.#signIns.close();
  }
}

function holds(condition: boolean, rule: string): void {
  if (!condition) throw new Error(rule);
}

/** `held`, or what did not, with the seed and the shortest way to it. */
async function tried<Given>(
  property: fc.IAsyncProperty<Given>,
  numRuns: number,
  seed: number,
): Promise<string> {
  const result = await fc.check(property, { numRuns, seed, includeErrorInReport: true });
  return result.failed ? ((await fc.asyncDefaultReportMessage(result)) ?? 'failed') : 'held';
}

const at = fc.nat(7);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sign-in'), name: fc.constantFrom(...NAMES) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('ask', 'out', 'watch', 'ask', 'ask'), at }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('pass'),
      ms: fc.constantFrom(1, SECOND, TOUCH, 50 * SECOND, IDLE, IDLE + 1, WHOLE),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('sweep', 'restart', 'crash', 'fail', 'mend') }) },
) as fc.Arbitrary<Step>;

test('what is over stays over and what is in use lives, in whatever order things happen', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
    const scene = new Scene();
    for (const each of steps) await scene.run(each);
    await scene.end();
  });

  expect(await tried(property, 300, 20_261)).toBe('held');
});

test('the same holds where several do things at the same moment', async () => {
  const together = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('sign-in' as const), name: fc.constantFrom(...NAMES) }),
      fc.record({ kind: fc.constantFrom('ask' as const, 'out' as const, 'watch' as const), at }),
      fc.record({ kind: fc.constantFrom('sweep' as const, 'fail' as const, 'mend' as const) }),
    ),
    { minLength: 2, maxLength: 12 },
  );
  const passes = fc.record({ ms: fc.constantFrom(0, SECOND, TOUCH, IDLE + 1), isCrash: fc.boolean() });
  const rounds = fc.array(fc.tuple(together, passes), { minLength: 2, maxLength: 10 });
  const property = fc.asyncProperty(rounds, async (all) => {
    const scene = new Scene();
    for (const [steps, { ms, isCrash }] of all) {
      await Promise.all(steps.map((each) => scene.run(each)));
      await scene.run({ kind: 'pass', ms });
      if (isCrash) await scene.run({ kind: 'crash' });
    }
    await scene.end();
  });

  expect(await tried(property, 200, 711)).toBe('held');
});
