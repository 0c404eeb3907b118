// Logs of other agents that are large in one way or another: what is read costs the same however much there is, and what
// is too much is refused.
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { readForeign } from '../src/log/import/detect.ts';
import { eventsOf } from '../src/log/import/events.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { refusal } from './session-stage.ts';

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const many = (count: number, ...messages: object[]): string => {
  const one = messages.map((message) => JSON.stringify(message)).join(',');
  return `[{"role":"user","content":"hi"},${Array<string>(count).fill(one).join(',')}]`;
};

async function countEvents(text: string, turnPerStep: boolean): Promise<number> {
  const { log } = await readForeign(text, 'openai', breathe);
  let ids = 0;
  const events = eventsOf(log, { newId: () => `${(ids += 1)}`, now: 1, channel: null, turnPerStep });
  return Iterator.from(events).reduce((count) => count + 1, 0);
}

describe('a log of another agent is read in moments', () => {
  test('with a hundred thousand messages that nobody answered', async () => {
    expect(await countEvents(many(100_000, { role: 'user', content: 'x' }), false)).toBe(100_003);
  });

  test('with tens of thousands of calls of one name', async () => {
    const call = { id: 'a', function: { name: 'f', arguments: '{}' } };
    const said = { role: 'assistant', content: null, tool_calls: [call] };

    expect(await countEvents(many(50_000, said), false)).toBe(50_006);
  });

  test('with a hundred thousand instructions before the first answer', async () => {
    const noted = { role: 'system', content: 'x' };
    expect(await countEvents(many(100_000, noted), true)).toBe(100_003);
  });
});

describe('a log of another agent is refused', () => {
  const refused = (text: string): Promise<unknown> =>
    readForeign(text, 'openai', breathe).then(
      () => 'read',
      (error: unknown) => (error instanceof SojournError ? error.code : error),
    );
  const zeros = '0,'.repeat(500_001).slice(0, -1);

  test('where any of its lists has more than half a million members', async () => {
    const answers = [
      await refused(`[${zeros}]`),
      await refused(`[{"role":"user","content":[${zeros}]}]`),
      await refused(`{"role":"user","content":"x"}\n${'{\n'.repeat(500_000)}`),
    ];

    expect(answers).toEqual(Array<string>(3).fill('input.too_many_items'));
  });
});

test('others come in between while a log with many messages is read', async () => {
  let breaths = 0;
  const text = many(20_000, { role: 'user', content: 'x' });
  await readForeign(text, 'openai', () => {
    breaths += 1;
    return breathe();
  });

  expect(breaths).toBeGreaterThan(20);
});

test('of large logs of other agents two are held at once, some wait, the next are refused, and little ones pass', async () => {
  await using world = await testRuntime();
  const line = '{"role":"user","content":"hi"}';
  const opened = Promise.withResolvers<void>();
  let held = 0;
  async function* large(): AsyncGenerator<string> {
    yield `${line}${' '.repeat(1_100_000)}`;
    held += 1;
    await opened.promise;
    yield line;
  }
  async function* little(): AsyncGenerator<string> {
    yield line;
    yield line;
  }
  const names = Array.from({ length: 12 }, (_, index) => `large ${index}`);

  const refused = Promise.withResolvers<void>();
  let refusals = 0;
  const answers = names.map(async (name) => {
    const answer = await refusal(world.runtime.import(name, large(), { format: 'openai' }));
    if (answer === 'capacity' && (refusals += 1) === 2) refused.resolve();
    return answer;
  });
  await refused.promise;
  await world.runtime.import('little', little());
  const heldAtOnce = held;
  opened.resolve();

  const all = await Promise.all(answers);
  expect(heldAtOnce).toBe(2);
  expect(all.toSorted()).toEqual(['capacity', 'capacity', ...Array<string>(10).fill('nothing')]);
});
