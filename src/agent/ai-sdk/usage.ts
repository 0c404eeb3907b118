// Usage: what a model call used. What that costs is the runtime's to say, from its one table of prices.
import type { LanguageModelUsage } from 'ai';
import type { AgentEvent } from '../agent.ts';

/**
 * The four counts are disjoint: input tokens are those neither read from a cache nor written to it. `model` is the name the
 * endpoint answered with.
 */
export function usageEvent(used: LanguageModelUsage, model: string): Extract<AgentEvent, { kind: 'usage' }> {
  const { cacheReadTokens = 0, cacheWriteTokens = 0, noCacheTokens } = used.inputTokenDetails;
  const inputTokens =
    noCacheTokens ?? Math.max(0, (used.inputTokens ?? 0) - cacheReadTokens - cacheWriteTokens);
  const usage = { inputTokens, outputTokens: used.outputTokens ?? 0, cacheReadTokens, cacheWriteTokens };
  return { kind: 'usage', usage, model };
}
