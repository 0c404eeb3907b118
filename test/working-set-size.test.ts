// What a working set takes: of a model's window, and of memory.
//
// Shown here (see traps-b.test.ts):
//   B-20  'does not grow with the age of a session: after 5,000 turns it holds no more than after 500'
import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { Calibration } from '../src/context/calibration.ts';
import { Counter, sampleOf } from '../src/context/counter.ts';
import { estimate } from '../src/context/estimate.ts';
import { tokensOf } from '../src/context/tokens.ts';
import { WorkingSet } from '../src/context/working-set.ts';
import { encoderOf, measure, setOf, text, textsBy, WorkingSetLog } from './working-set-log.ts';

const PROSE =
  'The harbour was quiet before the storm, and every boat that could be moved had been moved upstream. ';

const texts = textsBy();

/** By the encoding, as a model of OpenAI would. */
async function count(words: string): Promise<number> {
  await texts.learn(new Set([sampleOf(words)]));
  return new Counter('openai', texts).count(words);
}

describe('tokens', () => {
  test('of prose and code are what the models of the family count', async () => {
    expect(await count(PROSE)).toBe(21);
    expect(await count('const answer = await fetch(url);')).toBe(7);
    expect(await count('')).toBe(0);
  });

  test('of the names of control tokens are counted as any text', async () => {
    expect(await count('<|endoftext|><|im_start|>')).toBeGreaterThan(5);
  });

  test('of a long text are about right, counted at a few places of it', async () => {
    const whole = 1_000 * (await count(PROSE));

    expect(Math.abs((await count(PROSE.repeat(1_000))) - whole) / whole).toBeLessThan(0.1);
  });

  test('of a word of a hundred thousand letters are counted at once', async () => {
    const since = performance.now();

    for (const letter of ['a', ' ', '\n', '0', 'é', '漢', '😀']) await count(letter.repeat(100_000));

    expect(performance.now() - since).toBeLessThan(1_000);
  });

  test('are estimated without a table to within half of the estimate', async () => {
    const json = '{"path":"src/a.ts","line":12,"ok":true}';
    const samples = [PROSE, json, '漢字仮名交じり文の例です。', '2026-01-01 ERROR no route to host\n'];

    for (const sample of samples) {
      const words = sample.repeat(20);
      expect(1.5 * estimate(words)).toBeGreaterThan(await count(words));
      expect(0.5 * estimate(words)).toBeLessThan(await count(words));
    }
  });

  test('of a picture do not depend on its bytes, of a document they do', () => {
    const picture = tokensOf({ type: 'file', mediaType: 'image/png', data: 'A'.repeat(400_000) }, estimate);
    const other = tokensOf({ type: 'file', mediaType: 'image/png', data: 'AAAA' }, estimate);
    const small = tokensOf({ type: 'file', mediaType: 'application/pdf', data: 'A'.repeat(4_000) }, estimate);
    const large = tokensOf(
      { type: 'file', mediaType: 'application/pdf', data: 'A'.repeat(400_000) },
      estimate,
    );

    expect(picture).toBe(other);
    expect(large).toBeGreaterThan(small);
  });

  test('of a text that was moved out are those of all of it: its agent gets it whole', () => {
    const ref = { artifact: 'f', bytes: 300_000, mediaType: 'text/plain', preview: PROSE };

    const { count: guess } = new Counter('estimate', texts);

    expect(tokensOf({ type: 'text', text: PROSE, ref }, guess)).toBeGreaterThan(90_000);
    expect(tokensOf({ type: 'text', text: PROSE, ref: { ...ref, tokens: 61_000 } }, guess)).toBe(61_000);
  });

  test('of a text that was moved out are corrected by what its beginning counts, once that is known', async () => {
    const numbers = '8 1 2 '.repeat(200);
    const ref = { artifact: 'f', bytes: 300_000, mediaType: 'text/plain', preview: numbers };
    const part = { type: 'text' as const, text: numbers, ref: { ...ref, tokens: 2 * estimate(numbers) } };
    await count(numbers);

    expect(tokensOf(part, new Counter('openai', texts).count)).toBe(2 * (await count(numbers)));
  });

  test('of a text file are those of its text, of another file those that its kind takes', () => {
    const data = Buffer.from(PROSE).toString('base64');

    expect(tokensOf({ type: 'file', mediaType: 'text/markdown', data }, estimate)).toBe(estimate(PROSE));
    expect(tokensOf({ type: 'file', mediaType: 'application/pdf', data }, estimate)).toBe(500);
  });

  test('of a result that was moved out are those of what is shown', () => {
    const ref = { artifact: 'f', bytes: 30_000_000, mediaType: 'text/plain', preview: PROSE, tail: PROSE };

    expect(
      tokensOf({ type: 'tool-result', call: 'c', name: 'read', isError: false, ref }, estimate),
    ).toBeLessThan(300);
  });
});

describe('a session far from its window', () => {
  test('loads no table and counts nothing', async () => {
    const nobody = encoderOf(() => expect.unreachable('nothing may be counted'));
    const log = new WorkingSetLog();
    log.turn('a', PROSE, PROSE);
    const set = new WorkingSet(measure(200_000, {}, textsBy(nobody)));
    set.feed(log.events);

    await set.counted();

    expect(set.tokens).toBeGreaterThan(40);
    expect(set.view().counting).toBe('estimate');
    expect(set.pressure).toBe('none');
  });
});

describe('a session near its window', () => {
  const near = (): WorkingSetLog => {
    const log = new WorkingSetLog();
    for (let turn = 0; turn < 10; turn += 1) log.turn(`t${turn}`, PROSE.repeat(5), PROSE.repeat(5));
    return log;
  };

  test('is counted exactly, by the encoding of its model', async () => {
    const options = { ...measure(4_000), model: 'gpt-5' };
    const set = new WorkingSet(options);
    set.feed(near().events);
    const guessed = set.tokens;

    await set.counted();

    expect(set.view().counting).toBe('openai');
    expect(set.tokens).toBeLessThan(guessed);
    expect(set.tokens).toBeGreaterThan(1_900);
    expect(set.tokens).toBeLessThan(2_200);
  });

  test('is counted for a Claude where its usage says that it is one', async () => {
    const log = near();
    log.accept('u', 'and?');
    log.start('u');
    log.usage('u', 3_000, 'claude-sonnet-5');
    const set = new WorkingSet({ ...measure(4_000), model: 'gpt-5' });
    set.feed(log.events);

    await set.counted();

    expect(set.view().counting).toBe('claude');
  });

  test('is counted for the family its agent names, where the name in its usage says nothing', async () => {
    const log = near();
    log.accept('u', 'and?');
    log.start('u');
    log.usage('u', 3_000, 'gateway/default');
    const set = new WorkingSet({ ...measure(4_000), model: 'claude-sonnet-5' });
    set.feed(log.events);

    await set.counted();

    expect(set.view().counting).toBe('claude');
  });

  test('works by an estimate where nothing can count', async () => {
    const broken = textsBy({ ...encoderOf(() => 0), encode: () => Promise.reject(new Error('no thread')) });
    const set = new WorkingSet(measure(4_000, {}, broken));
    set.feed(near().events);

    await set.counted();

    expect(set.view().counting).toBe('estimate');
    expect(set.pressure).not.toBe('none');
  });

  test('is near it, too, when what comes next is large', async () => {
    const log = new WorkingSetLog();
    log.turn('a', 'hello', 'hello');
    const set = setOf(log, measure(4_000));

    await set.counted([{ parts: [text(PROSE.repeat(100))] }]);

    expect(set.view().counting).toBe('other');
  });

  test('makes what has to fit by exact counts, and by rather too high ones where nothing can count', async () => {
    const broken = textsBy({ ...encoderOf(() => 0), encode: () => Promise.reject(new Error('no thread')) });
    const [exact, most] = await Promise.all(
      [textsBy(), broken].map(async (own) => {
        const set = new WorkingSet({ ...measure(4_000, {}, own), model: 'gpt-5' });
        set.feed(near().events);
        await set.counted();
        return set.exactly((tokens) => [PROSE, `${PROSE}${PROSE}`].map((words) => tokens(words)));
      }),
    );

    expect(exact).toEqual([21, 41]);
    expect(most).toEqual([33, 65]);
  });

  test('takes less when a call is digested, without all of it being counted again', async () => {
    let counts = 0;
    const own = textsBy(
      encoderOf((words) => {
        counts += 1;
        return Math.ceil(words.length / 4);
      }),
    );
    const log = near();
    log.turn(
      'x',
      'look',
      'seen',
      Object.fromEntries(Array.from({ length: 50 }, (_, call) => [`c${call}`, PROSE])),
    );
    const set = new WorkingSet(measure(4_000, {}, own));
    set.feed(log.events);
    await set.counted();
    const before = set.tokens;
    counts = 0;

    log.compact({ kind: 'calls', calls: [{ turn: 'x', call: 'c7', ref: 'log:1', text: 'gone' }] });
    set.feed(log.events);
    const guessed = set.tokens;
    await set.counted();

    expect(before - guessed).toBeGreaterThan(20);
    expect(before - set.tokens).toBeGreaterThan(20);
    expect(counts).toBe(1);
  });
});

describe('what a provider counted', () => {
  test('tells what a prompt has besides: instructions and tools', () => {
    const log = new WorkingSetLog();
    log.turn('a', PROSE, PROSE);
    log.accept('b', 'and then?');
    log.start('b');
    log.usage('b', 5_100);

    const set = setOf(log);

    expect(set.overheadTokens).toBeGreaterThan(4_900);
    expect(set.overheadTokens).toBeLessThan(5_100);
  });

  test('of a later call of the turn says nothing: what its tools returned is not known here', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'look');
    log.start('a');
    log.usage('a', 1_000);
    log.call('a', 'c1', 'x'.repeat(4_000));
    log.usage('a', 9_000);
    log.end('a');

    expect(setOf(log).overheadTokens).toBeLessThan(1_000);
  });

  test('of a step that called tools is of its prompt, also where they returned before it was told', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'look');
    log.start('a');
    log.call('a', 'c1', 'x'.repeat(40_000));
    log.usage('a', 2_000);

    expect(setOf(log).overheadTokens).toBeGreaterThan(1_900);
  });

  test('of all calls of a turn together is not taken for its first', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'look');
    log.start('a');
    log.call('a', 'c1', 'x'.repeat(4_000));
    log.add('text.delta', 'a', { text: 'seen', message: 'm' });
    log.usage('a', 90_000);
    log.end('a');
    log.accept('b', 'again');
    log.start('b');
    log.call('b', 'c1', 'x');
    log.call('b', 'c2', 'x');
    log.usage('b', 90_000);
    log.end('b');
    log.accept('c', 'again');
    log.start('c');
    log.call('c', 'c1', 'x');
    log.say('c', 'Seen.');
    log.usage('c', 90_000);

    expect(setOf(log).overheadTokens).toBe(0);
  });

  test('of a prompt that does not hold all of the session is passed over', () => {
    const log = new WorkingSetLog();
    log.turn('a', PROSE.repeat(100), PROSE.repeat(100));
    log.accept('b', 'and?');
    log.start('b');
    log.usage('b', 40);

    expect(setOf(log).overheadTokens).toBe(0);
  });

  test('makes later counts right, where prompts of different sizes were seen', () => {
    const calibration = new Calibration();
    for (const ours of [1_000, 8_000, 20_000, 50_000]) calibration.note(ours, 1.2 * ours + 3_000, 'claude');

    expect(calibration.factor('claude')).toBeCloseTo(1.2, 3);
    expect(calibration.overheadTokens).toBe(3_000);
    expect(calibration.factor('openai')).toBe(1);
  });

  test('cannot make a window of any size out of figures that mean nothing', () => {
    const calibration = new Calibration();
    for (const [ours, theirs] of [
      [1_000, 9_000_000],
      [100_000, 5],
      [0, 0],
      [50, Number.NaN],
      [40_000, 64_000],
      [1_000, 64_000],
    ] as const)
      calibration.note(ours, theirs, 'openai');

    expect(calibration.factor('openai')).toBeGreaterThanOrEqual(0.7);
    expect(calibration.factor('openai')).toBeLessThanOrEqual(1.6);
    expect(calibration.overheadTokens).toBeLessThan(200_001);
  });
});

describe('memory', () => {
  test('does not grow with the age of a session: after 5,000 turns it holds no more than after 500', () => {
    const set = new WorkingSet(measure());
    const log = new WorkingSetLog();
    const held: number[] = [];
    let fed = 0;
    for (let turn = 0; turn < 5_000; turn += 1) {
      log.turn(`t${turn}`, `question ${turn}`, PROSE, { c1: PROSE });
      if (turn % 10 === 9) {
        const turns = Array.from({ length: 10 }, (_, index) => `t${turn - 9 + index}`);
        log.fold(turns, `${turn} questions`);
      }
      set.feed(log.events.slice(fed));
      fed = log.events.length;
      if (turn === 499 || turn === 4_999)
        held.push(set.checkpoint(10_000_000)?.packed.length ?? 0, set.bytes);
    }

    const [early, earlyBytes, late, lateBytes] = held as [number, number, number, number];
    expect(late).toBeLessThan(early * 1.1);
    expect(lateBytes).toBeLessThan(earlyBytes * 1.1 + 1_000);
    expect(set.view().earlierTasks).toBe(4_900);
  });

  test('of turns that were cancelled while they waited nothing stays', () => {
    const log = new WorkingSetLog();
    log.turn('a', 'one?', 'one.');
    const before = setOf(log).bytes;
    for (let turn = 0; turn < 1_000; turn += 1) {
      log.accept(`t${turn}`, PROSE);
      log.end(`t${turn}`, 'cancelled');
    }

    expect(setOf(log).bytes).toBe(before);
    expect(setOf(log).view().entries).toHaveLength(1);
  });
});

test('preparing a turn takes as long in the second thousand of turns as in the first hundred', () => {
  const set = new WorkingSet(measure());
  const log = new WorkingSetLog();
  const took: number[] = [];
  let fed = 0;
  for (let turn = 0; turn < 2_000; turn += 1) {
    log.turn(`t${turn}`, PROSE, PROSE, { c1: PROSE.repeat(20) });
    if (turn >= 50) log.fold([`t${turn - 50}`], `${turn - 49} turns`);
    const since = performance.now();
    set.feed(log.events.slice(fed));
    if (set.history().length > 0 && set.pressure === 'none') took.push(performance.now() - since);
    fed = log.events.length;
  }

  const middle = (of: readonly number[]): number =>
    of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0;
  expect(took).toHaveLength(2_000);
  expect(middle(took.slice(-1_000))).toBeLessThan(3 * middle(took.slice(50, 150)) + 1);
  expect(middle(took.slice(-1_000))).toBeLessThan(20);
});
