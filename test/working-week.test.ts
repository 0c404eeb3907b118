// A week of one session: 2,000 calls of tools whose results are as long as recorded ones.
//
// Shown here (see traps-b.test.ts):
//   B-20  'a session that works for a week is never shown more than its window, and every byte its tools returned can be read back'
import { createHash } from 'node:crypto';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { asked, CALLS_A_TURN, recordedResults, weekAgent, WINDOW } from '../bench/week.ts';
import { MESSAGE_TOKENS, tokensOf } from '../src/context/tokens.ts';
import { bodyOf } from '../src/log/event.ts';
import type { StoredEvent } from '../src/store/store.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { ReadBackCall } from '../src/wire/context.ts';
import type { Message } from '../src/wire/message.ts';
import { gate, say, send } from './session-stage.ts';

const TURNS = 200;
const CALLS = TURNS * CALLS_A_TURN;
const HOUR = 60 * 60_000;
const DAY = 24 * HOUR;
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Counts what a model would be sent, every text of it whole. What was counted before is remembered. */
function scales(): (messages: readonly Message[]) => number {
  const known = new Map<string, number>();
  const counted = (text: string): number => {
    const tokens = known.get(text) ?? countTokens(text, { disallowedSpecial: new Set() });
    known.set(text, tokens);
    return tokens;
  };
  return (messages) =>
    messages.reduce(
      (sum, { parts }) => sum + parts.reduce((all, part) => all + tokensOf(part, counted), MESSAGE_TOKENS),
      0,
    );
}

/** The hash of all of it, page by page. */
async function readBack(world: TestRuntime, ref: string): Promise<string> {
  const hash = createHash('sha256');
  for (let call: ReadBackCall | undefined = { ref }; call !== undefined;) {
    const { text, encoding, next } = await world.runtime.readBack('week', call);
    hash.update(Buffer.from(text, encoding ?? 'utf8'));
    call = next;
  }
  return hash.digest('hex');
}

async function wholeLog(world: TestRuntime): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (let page: readonly StoredEvent[] | undefined; page?.length !== 0;) {
    page = (await world.runtime.events('week', { after: all.at(-1)?.seq ?? 0 })).events;
    all.push(...page);
  }
  return all;
}

/** What tools returned, by their number: a reference to each, half of those that became files by that of the file. */
function returned(log: readonly StoredEvent[]): Map<number, string> {
  const numbers = new Map<string, number>();
  const refs = new Map<number, string>();
  for (const event of log) {
    if (event.kind === 'tool.called') {
      const { call, input } = bodyOf(event, 'tool.called');
      numbers.set(`${event.turn} ${call}`, (input as { n: number }).n);
    }
    if (event.kind !== 'tool.returned') continue;
    const { call, artifact, unknown } = bodyOf(event, 'tool.returned');
    const n = numbers.get(`${event.turn} ${call}`);
    if (n === undefined || unknown === true) continue;
    refs.set(n, artifact === undefined || n % 2 === 0 ? `log:${event.seq}` : `artifact:${artifact}`);
  }
  return refs;
}

test('a session that works for a week is never shown more than its window, and every byte its tools returned can be read back', async () => {
  const results = recordedResults();
  const tokensIn = scales();
  const given: number[] = [];
  const shown: number[] = [];
  const stuck = gate();
  let isStuck = true;
  const worker = weekAgent(results, {
    begins: (messages) => void given.push(tokensIn(messages)),
    prompt: (messages) => void shown.push(tokensIn(messages)),
    reached: async (n) => {
      if (n !== 804 || !isStuck) return;
      stuck.open();
      await new Promise<never>(() => undefined);
    },
  });
  await using world = await testRuntime({ agents: { worker }, limits: { sweepMs: HOUR / 2 } });
  const work = async (first: number, last: number): Promise<void> => {
    for (let from = first; from < last; from += CALLS_A_TURN) {
      const { outcome } = await say(world, 'week', asked(from, Math.min(last, from + CALLS_A_TURN)));
      expect(outcome).toBe('completed');
      await world.clock.advance((7 * DAY) / TURNS);
    }
  };

  await work(0, 800);
  await send(world, 'week', asked(800));
  await stuck.opened;
  await world.crash();
  isStuck = false;
  await work(804, 1_404);
  await world.restart();
  await work(1_404, CALLS);

  const log = await wholeLog(world);
  const refs = returned(log);
  expect(given).toHaveLength(TURNS + 1);
  expect(Math.max(...given)).toBeLessThanOrEqual(WINDOW);
  expect(Math.max(...shown)).toBeLessThanOrEqual(WINDOW);
  expect(Math.max(...shown)).toBeGreaterThan(0.8 * WINDOW);
  expect(shown.length).toBeGreaterThanOrEqual(CALLS + TURNS);
  expect(refs.size).toBe(CALLS);
  for (const [n, ref] of refs) expect([n, await readBack(world, ref)]).toEqual([n, hashOf(results(n))]);
  const often = (kind: string): number => log.filter((event) => event.kind === kind).length;
  expect(often('context.offloaded')).toBeGreaterThan(200);
  expect(often('context.compacted')).toBeGreaterThan(50);
  expect(often('session.evicted')).toBeGreaterThan(50); // Idle between turns, it left memory, and woke from what was kept.
}, 120_000);
