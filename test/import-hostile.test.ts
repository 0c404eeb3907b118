// Imports that were changed at random: each is refused with a code, or is a session that can be read and goes on. The seed
// is a constant, so that a failing round comes again.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { readForeign } from '../src/log/import/detect.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { exported, left, linesOf, lived, NOTHING, taken } from './export-scene.ts';
import { say } from './session-stage.ts';

const VALUES: readonly unknown[] = [
  null,
  0,
  -1,
  1e300,
  '',
  'x',
  [],
  {},
  true,
  [null],
  { a: 1 },
  'log:1-2',
  '__proto__',
  '\ud800',
  [[]],
  [{}],
];

class Chance {
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  below(count: number): number {
    this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((this.#seed / 2_147_483_648) * count);
  }

  one<Thing>(things: readonly Thing[]): Thing | undefined {
    return things[this.below(things.length)];
  }

  /** The same with one member, at any depth, missing or replaced. */
  changed(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return this.one(VALUES);
    const names = Object.keys(value);
    const name = this.one(names);
    if (name === undefined || this.below(8) === 0) return this.one(VALUES);
    const members = Object.entries(value).flatMap(([each, member]): [string, unknown][] => {
      if (each !== name) return [[each, member]];
      return this.below(4) === 0 ? [] : [[each, this.changed(member)]];
    });
    return Array.isArray(value) ? members.map(([, member]) => member) : Object.fromEntries(members);
  }
}

/** Undefined where it went well; else the code. Anything else that is thrown is a defect. */
async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof SojournError && error.code !== 'internal') return error.code;
    throw error;
  }
}

/** All that is asked of a session, so that nothing half understood stays unseen. */
async function used(world: TestRuntime, key: string): Promise<string | undefined> {
  const { runtime } = world;
  await runtime.transcript(key);
  await runtime.turns(key, { limit: 50 });
  await runtime.context(key);
  await runtime.waitForIdle(key);
  const { outcome } = await say(world, key, 'hi');
  await runtime.tree(key);
  await exported(world, key);
  await runtime.close(key, { erase: true });
  return outcome ?? undefined;
}

describe('an export with one member of an event changed', () => {
  test('is refused, or is a session that can be read and goes on', async () => {
    const limits = { contextTokens: 3_000 };
    await using here = await testRuntime({ limits });
    await using there = await testRuntime({ limits });
    await lived(here, 'chat');
    for (let turn = 0; turn < 4; turn++) await say(here, 'chat', '/big 5000');
    const lines = (await exported(here, 'chat')).trimEnd().split('\n');
    const events = [...lines.keys()].filter((index) =>
      /^\{"seq".*"kind":"(?!\w+\.delta)/.test(lines[index] ?? ''),
    );
    const chance = new Chance(5);
    const outcomes = new Map<string | undefined, number>();

    for (let round = 0; round < 80; round++) {
      const at = chance.one(events) ?? 1;
      const line = JSON.parse(lines[at] ?? '') as { body: unknown };
      const text = lines.with(at, JSON.stringify({ ...line, body: chance.changed(line.body) })).join('\n');
      const code = await codeOf(() => taken(there, 'chat', text));
      const outcome = code ?? (await used(there, 'chat'));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }

    expect(new Set(outcomes.keys())).toEqual(new Set(['completed', 'input.invalid']));
    expect(await left(there)).toEqual(NOTHING);
  });
});

describe('a log of another agent with members changed', () => {
  const samples = [
    'logs/claude-code.jsonl',
    'logs/openai.json',
    'logs/ai-sdk.json',
    'trajectories/ctf__forensics__flash.traj',
  ];
  const read = (name: string): string => readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8');

  const changedText = (text: string, isLines: boolean, chance: Chance): string => {
    if (!isLines) return JSON.stringify(chance.changed(chance.changed(JSON.parse(text))));
    const lines = text.trimEnd().split('\n').slice(0, -1);
    const at = chance.below(lines.length);
    return lines.with(at, JSON.stringify(chance.changed(JSON.parse(lines[at] ?? '')))).join('\n');
  };

  test.each(samples)('such as %s is read, or refused with a code', async (name) => {
    const text = read(name);
    const chance = new Chance(11);

    for (let round = 0; round < 400; round++) {
      const changed = changedText(text, name.endsWith('.jsonl'), chance);
      const code = await codeOf(() => readForeign(changed, 'auto', () => Promise.resolve()));
      expect([undefined, 'input.invalid']).toContain(code);
    }
  });

  test.each(samples)('such as %s is a session that goes on, or none', async (name) => {
    await using world = await testRuntime();
    const text = read(name);
    const chance = new Chance(23);
    const outcomes = new Set<string | undefined>();

    for (let round = 0; round < 12; round++) {
      const changed = changedText(text, name.endsWith('.jsonl'), chance);
      const code = await codeOf(() => world.runtime.import('chat', linesOf(changed)));
      outcomes.add(code ?? (await used(world, 'chat')));
    }

    expect(outcomes).toContain('completed');
    expect([...outcomes].filter((outcome) => outcome !== 'completed' && outcome !== 'input.invalid')).toEqual(
      [],
    );
    expect(await left(world)).toEqual(NOTHING);
  });
});
