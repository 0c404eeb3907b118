// Working sets that are made from long logs: others go on meanwhile, nothing is missed, and nothing is read twice.
import { expect, test } from 'vitest';
import { catchUp } from '../src/context/reading.ts';
import { WorkingSet } from '../src/context/working-set.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import type { StoredEvent } from '../src/store/store.ts';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import { reader, small } from './compaction-scene.ts';
import { outcome, say, send, spoken } from './session-stage.ts';
import { encoderOf, measure, setOf, textsBy, WorkingSetLog } from './working-set-log.ts';

const TURNS = 60;
const LIMITS = { pageEventsMax: 10 };

async function* told(): AsyncGenerator<string> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    yield JSON.stringify({ role: 'user', content: `question ${turn}` });
    yield JSON.stringify({ role: 'assistant', content: `answer ${turn}` });
  }
}

/** Calls `look` before each page that is read. */
function watched({ store }: TestRuntime, look: () => void): void {
  const real = store.read.bind(store);
  store.read = (...asked) => {
    look();
    return real(...asked);
  };
}

/** How often others had their turn while `work` went on. */
async function turnsOfOthers(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work.finally(() => {
    isOver = true;
  });
  return turns;
}

test('others have their turn while a long conversation is looked at', async () => {
  await using world = await small(reader().agent, { limits: LIMITS });
  await world.runtime.import('book', told(), { format: 'openai' });
  let pages = 0;
  watched(world, () => (pages += 1));

  const turns = await turnsOfOthers(world.runtime.context('book'));

  expect(pages).toBeGreaterThan(20);
  expect(turns).toBeGreaterThanOrEqual(pages - 2);
});

test('who asks for the same at the same time shares one reading', async () => {
  await using world = await small(reader().agent, { limits: LIMITS });
  await world.runtime.import('book', told(), { format: 'openai' });
  let pages = 0;
  watched(world, () => (pages += 1));
  const alone = await world.runtime.context('book');
  const pagesAlone = pages;

  pages = 0;
  const views = await Promise.all([1, 2, 3].map(() => world.runtime.context('book')));

  expect(views).toEqual([alone, alone, alone]);
  expect(pages).toBe(pagesAlone);
});

test('a message that comes while a session is being read is neither missed nor seen twice', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent, { limits: LIMITS });
  await world.runtime.import('book', told(), { format: 'openai' });
  const { store } = world;
  const real = store.read.bind(store);
  const asked: string[] = [];
  let pages = 0;
  // One message comes in the middle, one once the end of the log has been looked at.
  store.read = async (...where) => {
    pages += 1;
    const page = await real(...where);
    const { length } = asked;
    if ((length === 0 && pages > 5) || (length === 1 && page.length === 0)) {
      asked.push(''); // Its own reading asks for no more.
      asked[length] = (await send(world, 'book', { input: `late ${length}`, policy: 'queue' })).turn;
    }
    return page;
  };

  await say(world, 'book', 'first');
  for (const turn of asked) await outcome(world, 'book', turn);
  await say(world, 'book', 'last');

  const said = spoken(histories.at(-1) ?? []).filter((words) => /first|late/.test(words));
  expect(asked).toHaveLength(2);
  expect(said).toEqual(['user: first', 'user: late 0', 'user: late 1']);
});

test('whoever no longer waits for a long log to be read is let go at the next page', async () => {
  const log = new WorkingSetLog();
  for (let turn = 0; turn < TURNS; turn += 1) log.turn(`t${turn}`, 'a question', 'an answer');
  const abort = new AbortController();
  let pages = 0;
  const read = async (_: number, after: number): Promise<readonly StoredEvent[]> => {
    pages += 1;
    if (pages === 3) abort.abort(new Error('gone'));
    return log.events.slice(after, after + 10);
  };
  const set = new WorkingSet(measure());

  const reading = catchUp(set, 1, { store: { read }, limits: DEFAULT_LIMITS, signal: abort.signal });

  await expect(reading).rejects.toThrow('gone');
  expect([pages, set.lastSeq]).toEqual([3, 20]);
});

test('of a conversation far past its window only the newest turns are counted exactly', async () => {
  const asked: string[] = [];
  const texts = textsBy(
    encoderOf((words) => {
      asked.push(words);
      return words.length;
    }),
  );
  const log = new WorkingSetLog();
  for (let turn = 0; turn < 500; turn += 1) log.turn(`t${turn}`, `question ${turn}`, 'word '.repeat(20));
  const set = setOf(log, measure(1_000, {}, texts));

  await set.counted();

  expect(set.pressure).toBe('emergency');
  expect(asked).toContain('question 499');
  expect(asked).not.toContain('question 300');
});

test('twenty thousand turns with the figures of a provider are read in moments', () => {
  const log = new WorkingSetLog();
  for (let turn = 0; turn < 20_000; turn += 1) {
    log.accept(`t${turn}`, 'hello');
    log.start(`t${turn}`);
    log.usage(`t${turn}`, 10 * turn);
    log.end(`t${turn}`);
  }

  expect(setOf(log).view().overheadTokens).toBeGreaterThan(0);
}, 10_000);
