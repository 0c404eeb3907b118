// Large arguments: what a tool was given, when it is more than an event of the log should hold.
import { expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { mentionsOf } from '../src/log/mentions.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Limits } from '../src/kernel/limits.ts';
import type { ReadBackCall } from '../src/wire/context.ts';
import { bodies, events, say } from './session-stage.ts';

const begin = (input: unknown, limits: Partial<Limits> = {}): Promise<TestRuntime> => {
  const writer = functionAgent(async function* () {
    yield { kind: 'tool.called', call: 'c1', name: 'write_file', input };
    yield { kind: 'tool.returned', call: 'c1', output: 'written' };
    yield 'Done.';
  });
  return testRuntime({ agents: { writer }, limits });
};

async function readAll(world: TestRuntime, ref: string): Promise<string> {
  let whole = '';
  for (let call: ReadBackCall | undefined = { ref }; call !== undefined;) {
    const { text, next } = await world.runtime.readBack('chat', call);
    whole += text;
    call = next;
  }
  return whole;
}

test('a file of two megabytes that a tool writes is told in short, and read back exactly', async () => {
  const input = { path: 'src/a.txt', text: 'line\n'.repeat(400_000) };
  await using world = await begin(input);

  const turn = await say(world, 'chat', 'write it');

  expect(turn).toMatchObject({ outcome: 'completed', text: 'Done.' });
  const log = await events(world, 'chat');
  const called = log.find(({ kind }) => kind === 'tool.called');
  expect(called?.body).toMatchObject({ call: 'c1', input: { path: 'src/a.txt' }, ref: { bytes: 2_400_030 } });
  for (const { body } of log) expect(JSON.stringify(body).length).toBeLessThan(4_000);
  expect((await readAll(world, `log:${called?.seq}`)) === JSON.stringify(input)).toBe(true);
});

test('the file of it goes with the session wherever that goes', async () => {
  await using world = await begin({ text: 'x'.repeat(70_000) });

  await say(world, 'chat', 'write it');

  const [called] = await bodies(world, 'chat', 'tool.called');
  expect(called?.ref?.artifact).toMatch(/^[0-9a-f]{64}$/);
  expect(mentionsOf('tool.called', called)).toEqual([called?.ref?.artifact]);
});

test('where no artifact has room any more the turn goes on, with what fits', async () => {
  const input = { path: 'src/a.txt', text: 'x'.repeat(2_000_000) };
  await using world = await begin(input, { artifactBytesPerSessionMax: 1_000 });

  const turn = await say(world, 'chat', 'write it');

  expect(turn.outcome).toBe('completed');
  const [called] = await bodies(world, 'chat', 'tool.called');
  expect(called?.input).toMatchObject({ path: 'src/a.txt' });
  expect(called).not.toHaveProperty('ref');
});

test('arguments of ordinary size are told as they are', async () => {
  const input = { path: 'src/a.txt', text: 'x'.repeat(60_000) };
  await using world = await begin(input);

  await say(world, 'chat', 'write it');

  expect(await bodies(world, 'chat', 'tool.called')).toEqual([{ call: 'c1', name: 'write_file', input }]);
});
