// Usage: what a prompt used, as its answer says. Not every agent says it, and the protocol has it as an extension still.
import type { PromptResponse } from '@agentclientprotocol/sdk';
import type { AgentEvent } from '../agent.ts';

/** One event for both, or none; `costUsd` is undefined for an agent that never says it. Thoughts are output where the sum says that they are not in it already. */
export function* usageEvent(
  response: PromptResponse | undefined,
  costUsd: number | undefined,
): Iterable<AgentEvent> {
  const { usage: said } = (response ?? {}) as { usage?: Readonly<Record<string, unknown>> | null };
  const usage = typeof said === 'object' && said !== null ? said : {};
  const count = (name: string): number => {
    const value = usage[name];
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;
  };
  const inputTokens = count('inputTokens');
  const cacheReadTokens = count('cachedReadTokens');
  const cacheWriteTokens = count('cachedWriteTokens');
  const [output, thought] = [count('outputTokens'), count('thoughtTokens')];
  const isBeside =
    count('totalTokens') === inputTokens + cacheReadTokens + cacheWriteTokens + output + thought;
  const outputTokens = isBeside ? output + thought : output;
  const used = { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens };
  if (inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens + (costUsd ?? 0) === 0) return;
  yield { kind: 'usage', usage: used, ...(costUsd === undefined ? {} : { costUsd }) };
}
