// An AI SDK agent with a tool, as an agent of Sojourn. The model here is a stand-in that costs nothing; with a real one
// only the `model` line changes. The tool call is in the log before the tool runs.
import { jsonSchema, tool, ToolLoopAgent } from 'ai';
import { convertArrayToReadableStream, MockLanguageModelV4 } from 'ai/test';
import { createRuntime } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { aiSdkAgent } from 'sojourn/agent/ai-sdk';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const usage = {
  inputTokens: { total: 12, noCache: 12, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 5, text: 5, reasoning: 0 },
};
const finish = (unified: 'stop' | 'tool-calls') =>
  ({ type: 'finish', finishReason: { unified, raw: unified }, usage }) as const;
const call = { type: 'tool-call', toolCallId: 'c1', toolName: 'weather', input: '{"city":"Delft"}' } as const;
const answer = { type: 'text-delta', id: '1', delta: 'It is 21 degrees in Delft.' } as const;

const model = new MockLanguageModelV4({
  doStream: async ({ prompt }) => {
    if (prompt.at(-1)?.role !== 'tool')
      return { stream: convertArrayToReadableStream([call, finish('tool-calls')]) };
    const said = [{ type: 'text-start', id: '1' } as const, answer, { type: 'text-end', id: '1' } as const];
    return { stream: convertArrayToReadableStream([...said, finish('stop')]) };
  },
});

const weather = tool({
  description: 'The temperature in a city, in degrees Celsius.',
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  }),
  execute: async () => ({ degrees: 21 }),
});

const store = await sqliteStore({ folder: scratchFolder() });
const agent = aiSdkAgent(new ToolLoopAgent({ model, tools: { weather } }));
const runtime = await createRuntime({ store, bus: inProcessBus(), agents: { agent } });

const { turn } = await runtime.send('delft', { input: 'How warm is it in Delft?' });
const done = await runtime.finished('delft', turn, { waitMs: 5_000 });
console.log(done?.text);
console.log(done?.usage.inputTokens, 'tokens in,', done?.usage.outputTokens, 'out');
const { events } = await runtime.events('delft', { after: 0 });
console.log(
  events
    .map((event) => event.kind)
    .filter((kind) => kind.startsWith('tool.'))
    .join(', '),
);
await runtime.shutdown();

// prints:
// It is 21 degrees in Delft.
// 24 tokens in, 10 out
// tool.called, tool.returned
