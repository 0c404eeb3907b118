// Shelf: a keeper of items that a test can watch, hold up and break. Every hook writes one line into `log`.
import { Keeper } from '../src/keeper/keeper.ts';
import type { KeeperOptions } from '../src/keeper/keeper.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import type { Limits } from '../src/kernel/limits.ts';
import type { Logger } from '../src/kernel/logger.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';

export interface Item {
  readonly key: string;
  readonly generation: number;
}

export interface Owner {
  project?: string;
  owner?: string;
}

export type Hooks = Omit<
  KeeperOptions<string, Item, Owner>,
  'limits' | 'clock' | 'logger' | 'project' | 'owner'
>;

export interface Shelf {
  keeper: Keeper<string, Item, Owner>;
  clock: ManualClock;
  /** `make a1`, `remake a2`, `flush a1 idle`, `dispose a1 idle`, `gone a1 idle`, `remade a2`, `remade a2 failed`. */
  log: string[];
  logged: string[];
  /** What `log` gained since it was last asked. */
  news: () => string[];
  /** Uses it and gives it back. */
  touch: (...keys: string[]) => Promise<void>;
}

export function shelf(
  limits: Partial<Limits> = {},
  hooks: Partial<Hooks> = {},
  clock = new ManualClock(),
): Shelf {
  const log: string[] = [];
  const logged: string[] = [];
  let read = 0;
  const note = (event: string): void => void logged.push(event);
  const logger: Logger = { info: note, warn: note, error: note };
  const keeper = new Keeper<string, Item, Owner>({
    ...hooks,
    async make(making, previous) {
      log.push(`${making.intent} ${making.key}${making.generation}`);
      if (hooks.make) return hooks.make(making, previous);
      return { key: making.key, generation: making.generation };
    },
    async flush(key, item, reason) {
      log.push(`flush ${key}${item.generation} ${reason}`);
      await hooks.flush?.(key, item, reason);
    },
    async dispose(key, item, reason) {
      log.push(`dispose ${key}${item.generation} ${reason}`);
      await hooks.dispose?.(key, item, reason);
    },
    notify(gone) {
      log.push(`gone ${gone.key}${gone.generation} ${gone.reason}`);
      return hooks.notify?.(gone);
    },
    onRemade(remade) {
      log.push(`remade ${remade.key}${remade.generation}${'error' in remade ? ' failed' : ''}`);
      return hooks.onRemade?.(remade);
    },
    project: (context) => context.project ?? 'default',
    owner: (context) => context.owner ?? null,
    limits: { ...DEFAULT_LIMITS, idleMsMax: 1_000, sweepMs: 0, openMsMax: 100, closeMsMax: 50, ...limits },
    clock,
    logger,
  });
  const news = (): string[] => {
    const fresh = log.slice(read);
    read = log.length;
    return fresh;
  };
  const touch = async (...keys: string[]): Promise<void> => {
    for (const key of keys) (await keeper.use(key, {})).release();
  };
  return { keeper, clock, log, logged, news, touch };
}

/** A hook that waits until it is let go, once for each call. */
export function gate<Result = void>(): {
  wait: () => Promise<Result>;
  open: (result: Result) => void;
  fail: (error: unknown) => void;
  calls: () => number;
} {
  const gates: PromiseWithResolvers<Result>[] = [];
  let opened = 0;
  const next = (): PromiseWithResolvers<Result> => {
    const found = gates[opened++];
    if (!found) throw new Error('Nobody waits at this gate');
    return found;
  };
  return {
    wait: () => {
      const one = Promise.withResolvers<Result>();
      gates.push(one);
      return one.promise;
    },
    open: (result) => next().resolve(result),
    fail: (error) => next().reject(error as Error),
    calls: () => gates.length,
  };
}

const PENDING = Symbol('pending');

/** What became of a promise by now. */
export async function state(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  await new Promise((resolve) => setImmediate(resolve));
  const pending: Promise<unknown> = Promise.resolve(PENDING);
  try {
    return (await Promise.race([promise, pending])) === PENDING ? 'pending' : 'resolved';
  } catch {
    return 'rejected';
  }
}

export const never = (): Promise<never> => new Promise(() => {});

/** The order in which uses are given. */
export function queue(
  { keeper }: Shelf,
  ...wanted: [key: string, project?: string, owner?: string][]
): string[] {
  const given: string[] = [];
  for (const [key, project, owner] of wanted) {
    const context = { ...(project && { project }), ...(owner && { owner }) };
    keeper.use(key, context).then(
      () => given.push(key),
      (error: unknown) => given.push(`${key}: ${String(error)}`),
    );
  }
  return given;
}
