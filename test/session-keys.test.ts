// Keys: what a session may be called, and that two names are never one session.
//
// Shown here, by what a user sees (A: traps of session routing; F: edge values):
//   A-27  'names that look alike are different sessions, and each has its own history'
//   F     'a name that cannot be kept is refused with the reason, and nothing is made'
//   F     'a name of 512 bytes can be used, one of 513 cannot'
//   F     'no name reaches a file outside the data folder'
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { refusal, say, spoken } from './session-stage.ts';

const ALIKE = [
  'A',
  'a',
  'caf\u00e9', // composed
  'cafe\u0301', // decomposed
  '\u212b', // Angstrom sign
  '\u00c5', // the letter it is folded to
  '\ufb01', // a ligature
  'fi',
  '\ud83d\ude00',
  '\ud83d\ude01',
  'a b',
  'a  b',
  ' a',
  'a ',
  'a/b',
  'a//b',
  'a/../b',
  '/a',
  'a/',
  '../a',
  '...',
  '..a',
  '%2e%2e',
  '%2E%2E',
  'a%2Fb',
  'a\\b',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  '0',
  '-0',
  'C:\\x',
  'con',
  "'; DROP TABLE sessions; --",
  '%',
  '_',
  '*',
  '\u202eabc', // right to left
  '\u200b', // a zero width space
  'a\u200d',
  '\ufeffa',
  'web:s_1',
  'cron:nightly',
];

test('names that look alike are different sessions, and each has its own history', async () => {
  await using world = await testRuntime();

  for (const key of ALIKE) await say(world, key, `I am ${JSON.stringify(key)}`);
  await world.restart();

  const ids = new Set<string>();
  for (const key of ALIKE) {
    const session = await world.runtime.session(key);
    ids.add(session.id);
    expect(session.key).toBe(key);
    expect(spoken(await world.runtime.transcript(key))[0]).toBe(`user: I am ${JSON.stringify(key)}`);
  }
  expect(ids.size).toBe(ALIKE.length);
});

test('a name that cannot be kept is refused with the reason, and nothing is made', async () => {
  await using world = await testRuntime();
  const refused: Record<string, string> = {
    '': 'key.invalid',
    '.': 'key.invalid',
    '..': 'key.invalid',
    '\u0000': 'key.invalid',
    'a\u0000b': 'key.invalid',
    'a\nb': 'key.invalid',
    'a\tb': 'key.invalid',
    'a\u007f': 'key.invalid',
    'a\u0085b': 'key.invalid',
    '\ud800': 'key.ill_formed',
    'a\udc00b': 'key.ill_formed',
    ['x'.repeat(10_240)]: 'key.too_long',
  };

  for (const [key, code] of Object.entries(refused)) {
    expect(await refusal(world.runtime.open(key))).toBe(code);
    expect(await refusal(world.runtime.send(key, { input: 'hello' }))).toBe(code);
    expect(await refusal(world.runtime.session(key))).toBe(code);
    expect(await refusal(world.runtime.close(key))).toBe(code);
  }
  expect((await world.runtime.sessions()).sessions).toEqual([]);
});

test('a name of 512 bytes can be used, one of 513 cannot', async () => {
  await using world = await testRuntime();
  const longest = ['x'.repeat(512), '\u00e9'.repeat(256), '\ud83d\ude00'.repeat(128)];

  for (const key of longest) {
    await say(world, key, 'hello');
    expect((await world.runtime.session(key)).key).toBe(key);
    expect(await refusal(world.runtime.open(`${key}x`))).toBe('key.too_long');
  }
});

test('no name reaches a file outside the data folder', async () => {
  await using world = await testRuntime({ limits: { inlineBytesMax: 10 } });
  const above = dirname(world.folder);

  for (const key of ['../../escape', '/etc/escape', '..\\escape', 'a/../../escape']) {
    await say(world, key, 'something that is large enough to become a file');
  }
  const files = await readdir(world.folder, { recursive: true });

  expect(await readdir(above)).toEqual(['data']);
  expect(files.filter((name) => name.includes('escape'))).toEqual([]);
  expect(files).toContain(join('artifacts'));
});
