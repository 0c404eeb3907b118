// A language model in memory, for tests of the AI SDK adapter: it answers from a list and keeps what it was asked.
import { simulateReadableStream, tool } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { z } from 'zod';
import type { Agent, AgentEvent } from '../src/agent/agent.ts';
import type { Message } from '../src/wire/message.ts';
import { allOf, said, testContext, testTurn, type TestTurnOptions } from '../src/testing/test-turn.ts';

export type StreamPart =
  Awaited<ReturnType<MockLanguageModelV4['doStream']>>['stream'] extends ReadableStream<infer Part>
    ? Part
    : never;
export type Reply = StreamPart[];
export type Prompt = Parameters<MockLanguageModelV4['doStream']>[0]['prompt'];

export const used = (input: number, output: number, cacheRead = 0, cacheWrite = 0) => ({
  inputTokens: { total: input, noCache: input - cacheRead - cacheWrite, cacheRead, cacheWrite },
  outputTokens: { total: output, text: output, reasoning: 0 },
});

export const finish = (reason: 'stop' | 'tool-calls' | 'length', usage = used(10, 5)): StreamPart => ({
  type: 'finish',
  finishReason: { unified: reason, raw: reason },
  usage,
});

export const text = (words: string, metadata?: Record<string, Record<string, string>>): Reply => [
  { type: 'text-start', id: 't' },
  ...words.split(/(?= )/).map((delta) => ({ type: 'text-delta' as const, id: 't', delta })),
  { type: 'text-end', id: 't', ...(metadata ? { providerMetadata: metadata } : {}) },
];

export const calling = (id: string, name: string, input: unknown): StreamPart => ({
  type: 'tool-call',
  toolCallId: id,
  toolName: name,
  input: JSON.stringify(input),
});

/** A model that answers from a list, one reply a call, and keeps what it was asked. */
export function model(...replies: (Reply | Error | ((prompt: Prompt) => Reply))[]) {
  const prompts: Prompt[] = [];
  const mock = new MockLanguageModelV4({
    modelId: 'mock-1',
    doStream: async ({ prompt }) => {
      prompts.push(structuredClone(prompt));
      const next = replies[Math.min(prompts.length, replies.length) - 1] ?? [];
      if (next instanceof Error) throw next;
      const chunks = typeof next === 'function' ? next(prompt) : next;
      return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) };
    },
  });
  return { mock, prompts };
}

/** One call of a tool, or one that depends on what was seen last. */
export type Step = [name: string, input: unknown] | ((seen: string) => [name: string, input: unknown]);

/** A model that makes these calls one after the other in each turn, and says `done`. */
export function obedient(...steps: readonly Step[]) {
  return model((prompt): Reply => {
    const since = prompt.slice(prompt.findLastIndex(({ role }) => role === 'user') + 1);
    const done = since.filter(({ role }) => role === 'tool').length;
    const step = steps[done];
    if (step === undefined) return [...text('done'), finish('stop')];
    const [name, input] = typeof step === 'function' ? step(seenIn(prompt)) : step;
    return [calling(`c${prompt.length}-${done}`, name, input), finish('tool-calls')];
  });
}

/** What the last tool gave to the model. */
export function seenIn(prompt: Prompt): string {
  const last = prompt.at(-1);
  return last?.role === 'tool' ? JSON.stringify(last.content) : '';
}

export const weather = (run: (city: string) => unknown = (city) => ({ city, celsius: 7 })) =>
  tool({
    description: 'The weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => run(city),
  });

export async function play(agent: Agent, options: TestTurnOptions = {}) {
  const instance = await agent.open(testContext());
  const turn = testTurn(options);
  return { turn, events: await allOf(instance.run(turn.turn)) };
}

/** The history the next turn would have: what was asked, and the whole messages of what was said. */
export function historyOf(input: string, events: readonly AgentEvent[]): Message[] {
  const messages = events.flatMap((event) =>
    typeof event === 'object' && event.kind === 'message' ? [said(event.role, event.parts)] : [],
  );
  // Through JSON, as a log would keep them.
  return JSON.parse(JSON.stringify([said('user', input), ...messages])) as Message[];
}

export const kinds = (events: readonly AgentEvent[]): string[] =>
  events.map((event) => (typeof event === 'string' ? 'text' : event.kind));

export const rolesOf = (prompt: Prompt | undefined): string[] => (prompt ?? []).map(({ role }) => role);
