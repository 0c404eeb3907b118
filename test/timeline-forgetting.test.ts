// Forgetting: old posts leave a running server, a starting one, and one that is being stopped, without anybody asking.
import { afterEach, expect, test } from 'vitest';
import { type TestRuntime, testRuntime } from '../src/testing/test-runtime.ts';

const HOUR = 3_600_000;

let world: TestRuntime;
afterEach(() => world.close());

async function post(count: number): Promise<void> {
  const { token } = await world.runtime.signIns.signIn({ name: 'Hal' });
  const caller = await world.runtime.signIns.speaker(token);
  await Promise.all(
    Array.from({ length: count }, (_each, index) =>
      world.runtime.timeline.post({ content: `${index + 1}` }, {}, caller),
    ),
  );
}

/** Resolves when posts up to here are gone. */
async function pruned(id: number): Promise<void> {
  while ((await world.runtime.timeline.page()).pruned !== id)
    await new Promise((resolve) => setImmediate(resolve));
}

test('a running server forgets what is too old within the hour, and keeps the rest', async () => {
  world = await testRuntime({ limits: { postMsMax: 90 * 60_000 } });
  await post(3);
  await world.clock.advance(HOUR);
  await post(2);

  await world.clock.advance(HOUR);
  await pruned(3);

  expect(await world.runtime.timeline.page({ after: 0 })).toMatchObject({
    posts: [{ id: 4 }, { id: 5 }],
    head: 5,
  });
});

test('a starting server is ready before it has forgotten, however much there is', async () => {
  world = await testRuntime({ limits: { postBurst: 10_000 } });
  await post(5_500);

  await world.restart({ limits: { postBurst: 10_000, postsMax: 100 } });
  const { pruned: atStart } = await world.runtime.timeline.page();
  await pruned(5_400);

  expect(world.runtime.health).toBe('ready');
  expect(atStart).toBeLessThan(5_400);
});

test('one that is stopped in the middle ends cleanly, and the next start goes on', async () => {
  world = await testRuntime({ limits: { postBurst: 10_000 } });
  await post(4_500);

  await world.restart({ limits: { postBurst: 10_000, postsMax: 100 } });
  await world.restart();
  await pruned(4_400);

  expect(world.logged.filter(({ level }) => level !== 'info')).toEqual([]);
});
