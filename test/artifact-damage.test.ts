// An artifact whose file is damaged on disk: nobody is given it as if it were whole, everybody is told, and the same
// content heals it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { artifactPath } from '../src/store/sqlite/files.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { refusal, send, Stage } from './session-stage.ts';

const content = Array.from({ length: 5_000 }, (_, index) => `line ${index + 1}`).join('\n');

/** A turn in which a tool returns the content. */
async function returned(world: TestRuntime, stage: Stage): Promise<void> {
  await send(world, 'chat', 'look');
  const act = await stage.next();
  const call = `of ${act.turn.id}`;
  await act.say(
    { kind: 'tool.called', call, name: 'look', input: {} },
    { kind: 'tool.returned', call, output: content },
  );
  act.end();
  await world.runtime.waitForIdle('chat');
}

/** One byte of its file is another one. */
function spoil(world: TestRuntime, digest: string): string {
  const path = join(world.folder, 'artifacts', artifactPath('default', digest));
  const bytes = readFileSync(path);
  bytes.write('X', 40_000);
  writeFileSync(path, bytes);
  return path;
}

async function withDamage(): Promise<{ world: TestRuntime; stage: Stage; digest: string; path: string }> {
  const stage = new Stage();
  const world = await testRuntime({ agents: { stage } });
  await returned(world, stage);
  const [artifact] = await world.runtime.artifacts('chat');
  const digest = artifact?.id ?? '';
  await world.runtime.readBack('chat', { ref: `artifact:${digest}` }); // It was whole once.
  return { world, stage, digest, path: spoil(world, digest) };
}

test('a damaged artifact is given out by no way of reading, not even where its part is as it was', async () => {
  const { world, digest } = await withDamage();
  await using _world = world;
  const { runtime } = world;
  const ref = `artifact:${digest}`;
  const events = (await runtime.events('chat', { after: 0 })).events;
  const seq = events.find(({ kind }) => kind === 'tool.returned')?.seq;

  expect([
    await refusal(runtime.readBack('chat', { ref })),
    await refusal(runtime.readBack('chat', { ref: `log:${seq}` })),
    await refusal(runtime.readBack('chat', { ref, lines: { from: 1, to: 2 } })),
    await refusal(runtime.readBack('chat', { ref, search: { pattern: 'line 7$' } })),
    await refusal(runtime.artifact('chat', digest, { start: 0, end: 10 })),
    await refusal(runtime.artifact('chat', digest)),
  ]).toEqual(Array.from({ length: 6 }, () => 'store.damaged'));
  const { text, matches } = await runtime.readBack('chat', { search: { pattern: 'line 7$' } });
  expect([text, matches]).toEqual([`[not there to be searched: ${ref}]\n`, 0]);
});

test('a damaged artifact is whole again once its content comes again', async () => {
  const { world, stage, digest } = await withDamage();
  await using _world = world;

  await returned(world, stage);

  const { text } = await world.runtime.readBack('chat', {
    ref: `artifact:${digest}`,
    lines: { from: 7, to: 7 },
  });
  expect(text).toContain('line 7');
  const { bytes } = await world.runtime.artifact('chat', digest);
  expect(Buffer.from(bytes).toString()).toBe(content);
});

test('the doctor reads artifacts, says how far it is, and names the damaged one', async () => {
  const { world, path } = await withDamage();
  await using _world = world;
  const told: [number, number][] = [];

  const { ok, findings } = await inspect(world.folder, {
    onProgress: (done, all) => void told.push([done, all]),
  });

  expect(ok).toBe(false);
  expect(findings.filter(({ level }) => level === 'error')).toEqual([
    {
      level: 'error',
      what: `Artifact ${path} does not hold what was put there`,
      fix: 'Copy it from a backup. Until then it is not given out; the same content put again heals it, too.',
    },
  ]);
  expect(told).toEqual([[content.length, content.length]]);
});
