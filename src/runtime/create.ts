// Create: puts a runtime together from its parts.
import { type Clock, systemClock } from '../kernel/clock.ts';
import { type Ids, systemIds } from '../kernel/ids.ts';
import { type Limits, validLimits } from '../kernel/limits.ts';
import { type Logger, silentLogger } from '../kernel/logger.ts';
import type { Agent, Summariser } from '../agent/agent.ts';
import type { Bus } from '../bus/bus.ts';
import type { Encoder } from '../context/counted-texts.ts';
import { EncoderThread } from '../context/encoder-thread.ts';
import { DEFAULT_PRICES, type Prices, validPrices } from '../session/prices.ts';
import type { Store } from '../store/store.ts';
import type { SojournHooks } from './hooks.ts';
import { RuntimeHost } from './host.ts';
import { Runtime } from './runtime.ts';

export interface RuntimeOptions {
  /** Where truth is kept. The runtime closes it when it shuts down. */
  store: Store;
  bus: Bus;
  /** By name. The first is the default unless `defaultAgent` names another. */
  agents: Readonly<Record<string, Agent>>;
  defaultAgent?: string;
  limits?: Partial<Limits>;
  /**
   * Deltas of one message that wait while the store is busy become one event. Off: each is an event of its own.
   *
   * @default true
   */
  coalesceDeltas?: boolean;
  hooks?: SojournHooks;
  /**
   * What models cost, by name, for the calls whose agent does not say it: the whole table. A model that is not in it costs
   * nothing.
   *
   * @default a few current models, see `src/session/prices.ts`
   */
  prices?: Prices;
  /**
   * Makes digests of old turns, for agents that bring none of their own.
   *
   * @default rules, without a model
   */
  summariser?: Summariser;
  /**
   * Counts tokens where a session is near its window. The runtime closes it when it shuts down.
   *
   * @default a thread of its own, while it is needed
   */
  encoder?: Encoder;
  clock?: Clock;
  ids?: Ids;
  logger?: Logger;
}

/** Ready when it resolves: what a crash left at work has been taken up. */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const {
    clock = systemClock,
    ids = systemIds,
    logger = silentLogger,
    hooks = {},
    coalesceDeltas = true,
  } = options;
  const limits = validLimits(options.limits);
  const { store, bus, agents, defaultAgent, summariser, encoder = new EncoderThread(clock) } = options;
  const prices = validPrices(options.prices ?? DEFAULT_PRICES);
  const host = new RuntimeHost(
    { store, bus, clock, ids, limits, logger, hooks, prices, summariser, encoder, coalesceDeltas },
    agents,
    defaultAgent,
  );
  const runtime = new Runtime(host);
  await runtime.recover();
  return runtime;
}
