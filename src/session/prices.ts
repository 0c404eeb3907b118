// Prices: what a model call costs whose agent does not say it.
//
//   PR1. A price is found by the whole name of the model, then without a provider before it and without a date behind it:
//        `anthropic/claude-opus-4-5-20251101` costs what `claude-opus-4-5` does.
//   PR2. What an agent says a call has cost is believed. What it does not say and is in no table has no known cost: it adds
//        nothing to the bill, its event says `unpriced`, and no budget in dollars ends a turn for it.
import { SojournError } from '../kernel/errors.ts';
import type { Usage } from '../wire/session.ts';
import { usd } from '../wire/usd.ts';

/** In US dollars for a million tokens. */
export interface Price {
  input: number;
  output: number;
  /** Default: as `input`. */
  cacheRead?: number;
  /** Default: as `input`. */
  cacheWrite?: number;
}

/** By the name of the model. */
export type Prices = Readonly<Record<string, Price>>;

/**
 * Source: platform.claude.com/docs/en/about-claude/pricing, standard calls with five-minute cache writes, as read on
 * 2026-11-20. Prices change: whoever needs them to be right gives a table of their own. Reading a cache costs a tenth of
 * the input, but of Fable 5.1 a fortieth and of Opus 5.5 a twentieth.
 */
export const DEFAULT_PRICES: Prices = Object.freeze({
  'claude-fable-5-1': { input: 10, output: 50, cacheRead: 0.25, cacheWrite: 12.5 },
  'claude-fable-5': { input: 10, output: 50, cacheRead: 1, cacheWrite: 12.5 },
  'claude-opus-5-5': { input: 4, output: 20, cacheRead: 0.2, cacheWrite: 5 },
  'claude-opus-5': { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 },
  'claude-opus-4-8': { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 },
  'claude-opus-4-7': { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 },
  'claude-opus-4-6': { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 },
  'claude-opus-4-5': { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 },
  'claude-sonnet-4-6': { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  'claude-sonnet-4-5': { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  'claude-haiku-4-5': { input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 },
});

const PER_PRICE = 1e6;

/** The table as it is given. Throws `config.invalid` naming the first bad price. */
export function validPrices(prices: Prices): Prices {
  for (const [model, price] of Object.entries(prices)) {
    const { input, output, cacheRead = input, cacheWrite = input } = price;
    for (const [name, amount] of Object.entries({ input, output, cacheRead, cacheWrite })) {
      if (typeof amount === 'number' && amount >= 0 && amount < Infinity) continue;
      const detail = `Price ${name} of model ${model} is ${String(amount)}; it must be a number of at least 0`;
      throw new SojournError('config.invalid', detail);
    }
  }
  return prices;
}

/** Of one call, on the grid of `wire/usd.ts`. Undefined where no price is known (PR2). */
export function costOf(prices: Prices, usage: Usage, model: string | undefined): number | undefined {
  const price = model === undefined ? undefined : priceOf(prices, model);
  if (price === undefined) return undefined;
  const { input, output, cacheRead = input, cacheWrite = input } = price;
  const cost =
    usage.inputTokens * input +
    usage.outputTokens * output +
    usage.cacheReadTokens * cacheRead +
    usage.cacheWriteTokens * cacheWrite;
  return usd(cost / PER_PRICE);
}

/** PR1. */
function priceOf(prices: Prices, model: string): Price | undefined {
  const plain = model.slice(model.lastIndexOf('/') + 1);
  const undated = plain.replace(/[-@](\d{8}|\d{4}-\d{2}-\d{2})$/, '');
  for (const name of [model, plain, undated]) if (Object.hasOwn(prices, name)) return prices[name];
  return undefined;
}
