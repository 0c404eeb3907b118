// The story: a fact that a tool returned hundreds of turns ago, found again after the process was killed.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseEvent } from '../src/log/event.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { ReadBackCall } from '../src/wire/context.ts';
import type { Event } from '../src/wire/event.ts';
import { say } from './session-stage.ts';

const hashOf = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function wholeLog({ runtime }: TestRuntime): Promise<Event[]> {
  const all: Event[] = [];
  for (let page: readonly Event[] | undefined; page?.length !== 0;) {
    page = (await runtime.events('a', { after: all.at(-1)?.seq ?? 0 })).events.map(parseEvent);
    all.push(...page);
  }
  return all;
}

test('an agent finds in a result of 500 turns ago what it needs, after the process was killed', async () => {
  await using world = await testRuntime({ limits: { contextTokens: 3_000 } });
  await say(world, 'a', '/tool look {"where":"the key lies under the blue mat"}');
  await say(world, 'a', '/big 100000');
  for (let turn = 0; turn < 500; turn += 1)
    await say(world, 'a', `turn ${turn}: and then something else happened`);
  await world.crash();

  const { entries, tasks, tokens } = await world.runtime.context('a');
  const found = await say(world, 'a', '/find the key lies [a-z ]+');
  const line = await say(world, 'a', '/find ^line 9876$');
  const context = entries[0];
  const stretch: ReadBackCall | undefined = context && { ref: context.ref };

  // What the agent sees is small, and begins with a digest of what was.
  expect(tokens).toBeLessThan(3_000);
  expect(tasks.length).toBeGreaterThan(0);
  expect(context).toMatchObject({ kind: 'digest' });
  expect(found.text).toMatch(/^log:\d+\n1: .*the key lies under the blue mat/);
  expect(line.text).toMatch(/^artifact:[0-9a-f]{64}\n9876: line 9876\n/);
  // All that the digest stands for is there, byte for byte.
  let text = '';
  for (let call = stretch; call !== undefined;) {
    const page = await world.runtime.readBack('a', call);
    text += page.text;
    call = page.next;
  }
  const [, from, to] = /^log:(\d+)-(\d+)$/.exec(context?.ref ?? '') ?? [];
  const inLog = (await wholeLog(world)).filter(
    ({ seq, kind }) => seq >= Number(from) && seq <= Number(to) && kind !== 'text.delta',
  );
  expect(hashOf(text)).toBe(hashOf(inLog.map((event) => `${JSON.stringify(event)}\n`).join('')));
}, 60_000);
