// Names of sessions: that two are never one, in memory and on disk, and that none reaches a file it should not.
//
// Shown here, by what a host sees (B: traps of the working state of sessions; B.n: lines of its checklist, see traps-b.test.ts):
//   B-8   'no name, of a session, a project or an id, leads out of the data folder'
//   B-9   'in 300,000 pairs of names that look alike no two are one, in memory or on disk'
//   B-9   'hundreds of names that look alike keep their own results on disk, each in its own file'
//   B-10  'one key is one session for good: after it was put away, after a restart, and after a crash'
//   B-11  'whatever a session is named by, what it had is there again after a crash'
//   B-15  'names that are given at the same moment are all kept'
//   B.1   'two runtimes in one process share nothing, and one folder has one of them'
//   B.7   'no name, of a session, a project or an id, leads out of the data folder'
import { hash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../src/kernel/clock.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { checkKey, hostCaller } from '../src/runtime/access.ts';
import { nameOf } from '../src/runtime/router.ts';
import { projectFolder } from '../src/store/sqlite/files.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { refusal, say, spoken } from './session-stage.ts';

const PAIRS = 300_000;
const SEED = 20_301_120;

const PIECES = [
  'a A b B z Z 0 1 . _ - : / \\ % ~ * ? < > | " \' .. ./ ../ %2e %2F CON nul LPT1 __proto__ a. agent:main: swebench-w1',
  '\u00e9 e\u0301 \u00c5 \u212b \u0130 \u00df ss \ufb01 \u4e2d \ud83d\ude00 \u200b',
  `${'x'.repeat(64)} ${'\u00e9'.repeat(32)}`,
]
  .flatMap((line) => line.split(' '))
  .concat(' ', 'a ', '  ');

/** What somebody may take for the same name, or a careless encoding may make the same of. */
const TWINS: readonly ((name: string) => string)[] = [
  (name) => name.toUpperCase(),
  (name) => name.toLowerCase(),
  (name) => name.normalize('NFD'),
  (name) => name.normalize('NFKC'),
  (name) => name.replaceAll('/', '_'),
  (name) => name.replaceAll(':', '_'),
  (name) => name.replaceAll(/[<>:"/\\|?*]/g, '_'),
  (name) => name.replaceAll('..', '_'),
  (name) => name.replaceAll('_', ''),
  (name) => `${'p'.repeat(64)}${name}`,
  (name) => `${name.slice(0, 64)}x`,
  (name) => `${name} `,
  (name) => `${name}.`,
  (name) => `../${name}`,
  (name) => encodeURIComponent(name),
];

/** The same numbers for the same seed, below `max`. */
function numbers(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max;
  };
}

const isKey = (name: string): boolean => {
  try {
    return checkKey(name) === name;
  } catch {
    return false;
  }
};

/** So many pairs of two keys that may be used, and differ. */
function* pairs(count: number, below: (max: number) => number): Generator<readonly [string, string]> {
  const name = (): string =>
    Array.from({ length: 1 + below(6) }, () => PIECES[below(PIECES.length)] ?? '').join('');
  for (let made = 0; made < count;) {
    const one = name();
    const twin = TWINS[below(TWINS.length + 1)];
    const other = twin === undefined ? name() : twin(one);
    if (one === other || !isKey(one) || !isKey(other)) continue;
    made += 1;
    yield [one, other];
  }
}

/** Below the folder of artifacts; the test with a real folder shows that it is so. */
const artifactPath = (project: string, digest: string): string =>
  join(projectFolder(project), digest.slice(0, 2), digest.slice(2));

const INSIDE = /^[0-9a-f]{64}\/[0-9a-f]{2}\/[0-9a-f]{62}$/;

const digestOf = (text: string): string => hash('sha256', text);

test('in 300,000 pairs of names that look alike no two are one, in memory or on disk', () => {
  const wrong: unknown[] = [];
  let count = 0;

  for (const [one, other] of pairs(PAIRS, numbers(SEED))) {
    const [first, second] = [artifactPath(one, digestOf(one)), artifactPath(other, digestOf(other))];
    const isOne =
      nameOf('default', one) === nameOf('default', other) ||
      nameOf(one, other) === nameOf(other, one) ||
      first.slice(0, 64) === second.slice(0, 64) || // As projects.
      first.slice(65) === second.slice(65); // As what is in a file.
    const isInside = INSIDE.test(first) && INSIDE.test(second);
    if (isOne || !isInside) wrong.push([one, other]);
    count += 1;
  }

  expect({ seed: SEED, wrong, count }).toEqual({ seed: SEED, wrong: [], count: PAIRS });
}, 120_000);

test('two broken characters that no file could tell apart are no names at all', async () => {
  await using world = await testRuntime();
  const broken = ['\ud800', '\udfff', 'a\ud800b', `${'x'.repeat(64)}\udc00`];

  expect(new Set(broken.slice(0, 2).map(digestOf)).size).toBe(1);
  for (const key of broken) {
    expect(await refusal(world.runtime.open(key))).toBe('key.ill_formed');
    expect(await refusal(world.runtime.registry.resolve({ key }))).toBe('key.ill_formed');
  }
});

/** Results of its own for each key, large enough to become files; answers their ids. */
const keepsResult = async (world: TestRuntime, project: string, key: string): Promise<readonly string[]> => {
  const { runtime } = world;
  const input = `/tool keep ${JSON.stringify({ project, key })}`;
  const { turn } = await runtime.send(key, { input }, {}, hostCaller(project));
  await runtime.finished(key, turn, { waitMs: Infinity }, hostCaller(project));
  return (await runtime.artifacts(key, hostCaller(project))).map(({ id }) => id);
};

test('hundreds of names that look alike keep their own results on disk, each in its own file', async () => {
  await using world = await testRuntime({ limits: { inlineBytesMax: 8 } });
  const projects = ['default', 'a', 'A', 'a.', 'a_', 'a-', 'CON', 'con', 'nul', 'x'.repeat(63)];
  for (const project of projects.slice(1)) await world.runtime.addProject(project);
  const keys = [...new Set([...pairs(110, numbers(SEED + 1))].flat())];

  const kept = await Promise.all(
    keys.map(async (key, index) => {
      const project = projects[index % projects.length] ?? '';
      return { project, ids: await keepsResult(world, project, key) };
    }),
  );
  const artifacts = join(world.folder, 'artifacts');
  const entries = await readdir(artifacts, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const all = kept.flatMap(({ ids }) => ids);
  const isOnlyOnce = (id: string): boolean => all.indexOf(id) === all.lastIndexOf(id);
  const wanted = kept.flatMap(({ project, ids }) => ids.map((id) => artifactPath(project, id)));

  expect(kept.length).toBeGreaterThan(200);
  expect(kept.every(({ ids }) => ids.some((id) => isOnlyOnce(id)))).toBe(true);
  expect(new Set(files)).toEqual(new Set(wanted.map((path) => join(artifacts, path))));
  expect(await readdir(dirname(world.folder))).toEqual(['data']);
});

test('no name, of a session, a project or an id, leads out of the data folder', async () => {
  await using world = await testRuntime({ limits: { inlineBytesMax: 8 } });
  const { registry } = world.runtime;
  const names = [
    '../../escape',
    '/etc/escape',
    '..\\escape',
    'a/../../escape',
    'escape:stream',
    'escape.',
    '...',
  ];

  for (const key of names) {
    await keepsResult(world, 'default', key);
    (await registry.resolve({ key })).release();
    expect(await refusal(registry.resolve({ id: key }))).toBe('session.not_found');
    expect(await refusal(registry.resolve({ project: key, key: 'a' }))).toBe('session.not_found');
    expect(await refusal(world.runtime.addProject(key))).toBe(
      key.startsWith('escape.') ? 'nothing' : 'input.invalid',
    );
  }
  for (const key of ['.', '..', '']) expect(await refusal(registry.resolve({ key }))).toBe('key.invalid');
  const inside = await readdir(world.folder, { recursive: true });

  expect(await readdir(dirname(world.folder))).toEqual(['data']);
  expect(inside.filter((name) => /escape|\.\.|etc/.test(name))).toEqual([]);
});

test('one key is one session for good: after it was put away, after a restart, and after a crash', async () => {
  await using world = await testRuntime();
  const key = 'not:a/path _ but.. a key';
  await say(world, key, 'first');
  const found = [(await world.runtime.session(key)).id];

  await world.runtime.evict(key);
  found.push((await world.runtime.registry.resolve({ key })).session.id);
  await world.restart();
  found.push((await world.runtime.registry.resolve({ key })).session.id);
  await world.crash();
  found.push((await world.runtime.registry.resolve({ key })).session.id);

  expect(new Set(found).size).toBe(1);
  expect(spoken(await world.runtime.transcript(key))[0]).toBe('user: first');
});

test('whatever a session is named by, what it had is there again after a crash', async () => {
  await using world = await testRuntime();
  for (const key of ['agent:main:1', 'no parts', '..a', 'K\u00e4se', 'a_b', 'ab']) {
    await say(world, key, `/tool look {"at":"${key}"}`);
    await world.runtime.addAlias(key, `also ${key}`);
    const { id } = await world.runtime.session(key);
    const before = (await world.runtime.registry.resolve({ key })).state;

    await world.crash();
    const { registry } = world.runtime;
    const byAlias = (await registry.resolve({ key: `also ${key}` })).state;
    await world.crash();
    const byId = (await world.runtime.registry.resolve({ id })).state;

    expect(before?.lastSeq).toBeGreaterThan(0);
    expect([byAlias, byId]).toEqual([before, before]);
  }
});

test('names that are given at the same moment are all kept', async () => {
  await using world = await testRuntime();
  await world.runtime.open('chat');
  const numbered = Array.from({ length: 50 }, (_each, index) => index);

  await Promise.all(
    numbered.flatMap((index) => [
      world.runtime.addAlias('chat', `alias ${index}`),
      world.runtime.open(`chat ${index}`),
    ]),
  );
  await world.crash();
  const { registry } = world.runtime;
  const aliases = await Promise.all(numbered.map((index) => registry.resolve({ key: `alias ${index}` })));
  const own = await Promise.all(numbered.map((index) => registry.resolve({ key: `chat ${index}` })));

  expect(new Set(aliases.map(({ session }) => session.key))).toEqual(new Set(['chat']));
  expect(new Set(own.map(({ session }) => session.id)).size).toBe(50);
});

test('two runtimes in one process share nothing, and one folder has one of them', async () => {
  await using one = await testRuntime();
  await using other = await testRuntime();
  await say(one, 'chat', 'hello');

  const parts = { clock: systemClock, logger: silentLogger, limits: { freeBytesMin: 0, ballastBytes: 0 } };
  const second = await refusal(sqliteStore({ folder: one.folder, ...parts }));

  expect([one.runtime.registry.size, other.runtime.registry.size]).toEqual([1, 0]);
  expect(await refusal(other.runtime.registry.resolve({ key: 'chat' }))).toBe('session.not_found');
  expect(second).toBe('store.in_use');
});
