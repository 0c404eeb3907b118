// Price: what a model call used, and what that costs.
import type { LanguageModelUsage } from 'ai';
import type { Usage } from '../../wire/session.ts';
import type { AgentEvent } from '../agent.ts';

/** In US dollars, for one call of `model` (the name the endpoint answered with). */
export type Price = (usage: Usage, model: string) => number;

/** The four counts are disjoint: input tokens are those neither read from a cache nor written to it. */
export function usageEvent(used: LanguageModelUsage, model: string, price: Price | undefined): AgentEvent {
  const { cacheReadTokens = 0, cacheWriteTokens = 0, noCacheTokens } = used.inputTokenDetails;
  const inputTokens =
    noCacheTokens ?? Math.max(0, (used.inputTokens ?? 0) - cacheReadTokens - cacheWriteTokens);
  const usage = { inputTokens, outputTokens: used.outputTokens ?? 0, cacheReadTokens, cacheWriteTokens };
  return { kind: 'usage', usage, model, ...(price === undefined ? {} : { costUsd: price(usage, model) }) };
}
