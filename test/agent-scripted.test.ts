import { describe, expect, test } from 'vitest';
import type { AgentEvent } from '../src/agent/agent.ts';
import { MT_BENCH } from '../src/agent/scripted/mt-bench.ts';
import { scriptedAgent, type ScriptedOptions } from '../src/agent/scripted/scripted.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { agentConformance } from '../src/testing/agent-conformance.ts';
import {
  allOf,
  said,
  testContext,
  testTurn,
  textSaid,
  type TestTurnOptions,
} from '../src/testing/test-turn.ts';

async function start(turnOptions: TestTurnOptions, options: ScriptedOptions = {}) {
  const play = testTurn(turnOptions);
  const instance = await scriptedAgent(options).open(testContext());
  return { play, events: instance.run(play.turn) };
}

/** For pulling by hand. */
async function begin(turnOptions: TestTurnOptions) {
  const { play, events } = await start(turnOptions);
  return { play, events: events[Symbol.asyncIterator]() };
}

async function eventsOf(input: string, options: ScriptedOptions = {}): Promise<AgentEvent[]> {
  return allOf((await start({ input }, options)).events);
}

async function answer(input: TestTurnOptions['input'], more: TestTurnOptions = {}): Promise<string> {
  return textSaid(await allOf((await start({ input, ...more })).events));
}

describe('the scripted agent', () => {
  agentConformance(
    { describe, test, expect },
    {
      agent: () => scriptedAgent(),
      says: { input: 'hello', text: 'You said: hello' },
      long: '/words 100000 3600000',
      fails: '/fail on purpose',
      calls: '/tool weather {"city":"Oslo"}',
      begun: { skipped: 'its tools do nothing outside' },
      asks: '/ask which colour?',
    },
  );

  test('it knows thirty conversations of two turns, and its words joined are the recorded answers', async () => {
    expect(MT_BENCH.map(({ question }) => question)).toEqual(Array.from({ length: 30 }, (_, at) => 101 + at));

    for (const { turns } of MT_BENCH) {
      expect(turns).toHaveLength(2);
      for (const turn of turns) {
        const events = await eventsOf(turn.question, { wordMs: 0 });
        expect(textSaid(events)).toBe(turn.answer);
        expect(events).toHaveLength(turn.answer.split(/\s+/).length);
      }
    }
  });

  test('a recorded answer takes 30 ms a word, or as long as it was told', async () => {
    const question = MT_BENCH[3]?.turns[0]?.question ?? '';
    const slow = await start({ input: question });
    await allOf(slow.events);
    const fast = await start({ input: question }, { wordMs: 0 });
    const words = await allOf(fast.events);

    expect(slow.play.waits).toEqual(Array.from({ length: words.length - 1 }, () => 30));
    expect(fast.play.waits).toEqual([]);
  });

  test('/words says so many words, one at a time, at the pace it was given', async () => {
    const { play, events } = await start({ input: '/words 3 250' });

    expect(await allOf(events)).toEqual(['w1', ' w2', ' w3']);
    expect(play.waits).toEqual([250, 250]);
    expect(await answer('/words 0 10')).toBe('');
  });

  test('/count and /recall know all the user said, over earlier turns and this one', async () => {
    const history = [
      said('user', 'first  thing\n'),
      said('assistant', 'noted'),
      said('tool', 'not the user'),
      said('user', 'second'),
    ];

    expect(await answer('/count', { history })).toBe('3');
    expect(await answer('/recall 1', { history })).toBe('first  thing\n');
    expect(await answer('/recall 3', { history })).toBe('/recall 3');
    expect(await answer('/recall 4', { history })).toMatch(/^Use \/recall N/);
    expect(await answer('/count')).toBe('1');
  });

  test('messages collected into one turn are answered in order', async () => {
    expect(await answer(['hi', '/count', '/recall 1'])).toBe('You said: hi\n2\nhi');
  });

  test('/tool calls a tool that returns its input', async () => {
    const call = 'turn-1-1-1';

    expect(await eventsOf('/tool weather {"city": "Oslo"}')).toEqual([
      { kind: 'tool.called', call, name: 'weather', input: { city: 'Oslo' } },
      { kind: 'tool.returned', call, output: { city: 'Oslo' } },
      'weather returned its input.',
    ]);
  });

  test.each([0, 1, 7, 65_536, 1_000_003])(
    '/big returns exactly %i bytes of numbered lines',
    async (bytes) => {
      const [called, returned, text] = await eventsOf(`/big ${bytes}`);
      const output =
        typeof returned === 'object' && returned.kind === 'tool.returned' ? returned.output : null;

      expect(called).toMatchObject({ kind: 'tool.called', name: 'big', input: { bytes } });
      expect(Buffer.byteLength(String(output))).toBe(bytes);
      expect('line 1\nline 2\n'.startsWith(String(output).slice(0, 14))).toBe(true);
      expect(text).toBe(`big returned ${bytes} bytes.`);
    },
  );

  test('/ask asks the user and repeats the answer', async () => {
    const { play, events } = await start({
      input: '/ask which colour?',
      answer: () => ({ decision: 'allow', answer: 'blue' }),
    });

    expect(textSaid(await allOf(events))).toBe('blue');
    expect(play.asks).toEqual([{ key: 'ask', question: { kind: 'question', text: 'which colour?' } }]);
  });

  test('a turn that has to wait for the answer lets the suspension pass', async () => {
    const suspended = new SojournError('turn.suspended', 'It waits');
    const { events } = await start({ input: '/ask now?', answer: () => Promise.reject(suspended) });

    await expect(allOf(events)).rejects.toBe(suspended);
  });

  test('/spawn repeats what the child said, and /spawn& does not wait for it', async () => {
    expect(await answer('/spawn helper /words 2 0', { child: () => ({ text: 'w1 w2' }) })).toBe('w1 w2');
    expect(
      await answer('/spawn helper x', { child: () => ({ outcome: 'failed', text: '', isError: true }) }),
    ).toBe('The child ended failed: ');
    expect(await answer('/spawn& helper x', { child: () => new Promise(() => {}) })).toBe('Started child-1.');
  });

  test('/fail fails the turn with its text', async () => {
    await expect(answer('/fail out of paper')).rejects.toMatchObject({
      code: 'agent.failed',
      detail: 'out of paper',
    });
  });

  test('/crash ends the process on the first attempt and says so on a later one', async () => {
    const crash = (): never => {
      throw new Error('the process is gone');
    };

    await expect(eventsOf('/crash', { crash })).rejects.toThrow('the process is gone');
    expect(await answer('/crash', { attempt: 2, afterCrash: true })).toBe('back, attempt 2');
    await expect(answer('/crash')).rejects.toMatchObject({ code: 'agent.failed' });
  });

  test('an abort ends a long pause at once', async () => {
    const { play, events } = await begin({ input: '/words 2 3600000', clock: systemClock });
    expect((await events.next()).value).toBe('w1');

    const next = events.next();
    play.abort(new Error('stopped'));

    await expect(next).rejects.toThrow('stopped');
  });

  test('/deaf goes on through an abort until its time is over', async () => {
    const { play, events } = await begin({ input: '/deaf 500' });
    expect((await events.next()).value).toBe('Deaf for 500 ms.');

    play.abort(new Error('stopped'));

    await expect(events.next()).rejects.toThrow('stopped');
    expect(play.waits).toEqual([500]);
    expect(await answer('/deaf 5')).toBe('Deaf for 5 ms. Listening again.');
  });

  test('what is steered to it while it speaks is acknowledged between two words', async () => {
    const { play, events } = await begin({ input: '/words 2 10' });
    const said = [(await events.next()).value];

    play.steer('faster');
    for (let next = await events.next(); !next.done; next = await events.next()) said.push(next.value);

    expect(said).toEqual(['w1', ' (noted: faster)', ' w2']);
    expect(play.untaken()).toBe(0);
  });

  test('anything else comes back as it was said', async () => {
    expect(await answer('hello, world')).toBe('You said: hello, world');
    expect(await answer('/nothing here')).toBe('You said: /nothing here');
    expect(await answer([[{ type: 'file', mediaType: 'image/png', name: 'cat.png', data: 'AA==' }]])).toBe(
      'You said:  [file: cat.png]',
    );
  });

  test('a long message comes back whole, in deltas that never split a character', async () => {
    const long = `${'x'.repeat(8_181)}${'😀'.repeat(20_000)}`;
    const events = await eventsOf(long);

    expect(textSaid(events)).toBe(`You said: ${long}`);
    expect(events.every((event) => typeof event === 'string' && event.isWellFormed())).toBe(true);
    expect(events.length).toBeGreaterThan(4);
  });

  test.each([
    '/words',
    '/words -1 5',
    '/words 100001 0',
    '/words 1 3600001',
    '/words 1 2 3',
    '/recall 0',
    '/recall one',
    '/tool',
    '/tool weather {oslo}',
    '/big',
    '/big 67108866',
    '/ask',
    '/deaf soon',
    '/spawn',
    '/spawn& helper',
  ])('%s is answered with how to write it', async (input) => {
    expect(await answer(input)).toMatch(/^Use \/[a-z]+ /);
  });
});
