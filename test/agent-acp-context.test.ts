// What is large in a session of an ACP agent: it keeps its conversation itself, and our log what it gave. A real process.
import { afterAll, describe, expect, test } from 'vitest';
import { testRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { echo, scratch } from './acp-stage.ts';
import { bodies, say } from './session-stage.ts';

const { folder, remove } = scratch();
afterAll(remove);

/** Shut down at its end, so that no process of its agents is left. */
async function begin(options: TestRuntimeOptions = {}) {
  const world = await testRuntime({ agents: { echo: echo({ folder }) }, ...options });
  return {
    world,
    async [Symbol.asyncDispose]() {
      await world.runtime.shutdown(0);
      await world.close();
    },
  };
}

describe('a session of an ACP agent', () => {
  test('keeps large results and pictures as artifacts', async () => {
    await using scene = await begin({ limits: { inlineBytesMax: 1_000 } });
    const { world } = scene;

    await say(world, 'chat', '/big 5000\n/image 4000');

    const [returned] = await bodies(world, 'chat', 'tool.returned');
    expect(returned).toMatchObject({ bytes: 5_000, mediaType: 'text/plain; charset=utf-8' });
    const pictures = (await bodies(world, 'chat', 'message')).flatMap(({ parts }) =>
      parts.filter((part) => part.type === 'file'),
    );
    expect(pictures).toMatchObject([{ mediaType: 'image/png', ref: { bytes: 3_000 } }]);
  });

  test('has nothing cut of a result of millions of characters: it is read back whole, by reference', async () => {
    await using scene = await begin();
    const { world } = scene;

    await say(world, 'chat', '/big 2000000\n/big 9000\n/big 8000');

    const returned = await bodies(world, 'chat', 'tool.returned');
    expect(returned).toMatchObject([
      {
        bytes: 2_000_000,
        lines: 1,
        preview: expect.stringMatching(/^x+$/),
        tail: expect.stringMatching(/^x+$/),
      },
      { bytes: 9_000 },
      { output: 'x'.repeat(8_000) },
    ]);
    const [large] = await bodies(world, 'chat', 'context.offloaded');
    expect(large).toMatchObject({ from: 'tool.returned', bytes: 2_000_000 });
    const last = await world.runtime.readBack('chat', {
      ref: large?.ref ?? '',
      bytes: { from: 1_999_990 },
    });
    expect(last).toMatchObject({ bytes: 2_000_000, text: 'x'.repeat(10) });
    expect(last.next).toBeUndefined();
  });

  test('has no working set of ours: nothing of it is measured or digested', async () => {
    await using scene = await begin({ limits: { contextTokens: 1_000 } });
    const { world } = scene;

    for (let turn = 0; turn < 3; turn += 1) await say(world, 'chat', '/big 7000');

    expect(await world.runtime.context('chat')).toMatchObject({
      ownsHistory: true,
      entries: [],
      tokens: 0,
    });
    expect(await bodies(world, 'chat', 'context.compacted')).toEqual([]);
  });
});
