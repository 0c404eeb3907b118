// Usage: what a prompt used, as its answer says. Not every agent says it, and the protocol has it as an extension still.
import type { PromptResponse } from '@agentclientprotocol/sdk';
import type { AgentEvent } from '../agent.ts';

/** Thoughts are output where the sum says that they are not in it already. */
export function* usageEvent(response: PromptResponse | undefined): Iterable<AgentEvent> {
  const { usage } = (response ?? {}) as { usage?: Readonly<Record<string, unknown>> | null };
  if (typeof usage !== 'object' || usage === null) return;
  const count = (name: string): number => {
    const value = usage[name];
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;
  };
  const inputTokens = count('inputTokens');
  const cacheReadTokens = count('cachedReadTokens');
  const cacheWriteTokens = count('cachedWriteTokens');
  const [said, thought] = [count('outputTokens'), count('thoughtTokens')];
  const isBeside = count('totalTokens') === inputTokens + cacheReadTokens + cacheWriteTokens + said + thought;
  const outputTokens = isBeside ? said + thought : said;
  if (inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens === 0) return;
  yield { kind: 'usage', usage: { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } };
}
