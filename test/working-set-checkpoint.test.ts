// A working set that was put away and taken up again is the one that was never put away.
//
// Shown here (see traps-b.test.ts):
//   B-2   'whatever happened, a session knows after a checkpoint at any moment all that it knew'
//   B-11  'whatever happened, a session knows after a checkpoint at any moment all that it knew'
//   B-16  'events that come twice, or in pieces, change nothing'
//   B-20  'of a session that was digested to a few words is as small as they are'
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Checkpoint, WorkingSet } from '../src/context/working-set.ts';
import { familyOf } from '../src/context/tokens.ts';
import { leftOf, leftText } from '../src/session/live.ts';
import { encoderOf, measure, setOf, shown, text, textsBy, WorkingSetLog } from './working-set-log.ts';

const MAX = 1_000_000;

/** One thing that happens in a session; numbers choose among what there is. */
type Step =
  | {
      do: 'accept' | 'queue' | 'steer' | 'take' | 'requeue' | 'again' | 'goOn' | 'drop';
      words: string;
    }
  | { do: 'call'; call: string; words: string }
  | { do: 'say' | 'end' | 'fail' | 'usage'; words: string; size: number }
  | { do: 'digest' | 'fold'; size: number };

const words = fc.string({ maxLength: 12 });
const size = fc.nat(3_000);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom('accept', 'queue', 'steer', 'take', 'requeue'), words }),
    fc.record({ do: fc.constantFrom('again', 'goOn', 'drop'), words }),
    fc.record({ do: fc.constant('call'), call: fc.constantFrom('a_b', 'ab', '__proto__', 'c'), words }),
    fc.record({ do: fc.constantFrom('say', 'end', 'end', 'fail', 'usage'), words, size }),
    fc.record({ do: fc.constantFrom('digest', 'fold'), size }),
  ) as fc.Arbitrary<Step>,
  { maxLength: 60, size: 'max' },
);

/** The log of these steps, with those left out that cannot be at that moment. */
function logOf(all: readonly Step[]): WorkingSetLog {
  const log = new WorkingSetLog();
  const queue: string[] = [];
  const ended: string[] = [];
  let running: string | undefined;
  let attempt = 1;
  let offered: string | undefined;
  let count = 0;
  const begin = (): void => {
    if (running !== undefined) return;
    running = queue.shift();
    attempt = 1;
    offered = undefined;
    if (running !== undefined) log.start(running);
  };
  for (const step of all) {
    const turn = running;
    if (step.do === 'accept' || step.do === 'queue') {
      count += 1;
      queue.push(`t${count}`);
      log.accept(`t${count}`, step.words, { kind: step.do === 'queue' ? 'schedule' : 'user' });
      begin();
    } else if (step.do === 'fold') {
      const turns = ended.splice(0, step.size % 4);
      if (turns.length > 0) log.compact({ kind: 'turns', to: step.size, turns, text: `digest ${step.size}` });
    } else if (step.do === 'digest') {
      const name = ended[step.size % Math.max(1, ended.length)] ?? 'nobody';
      const calls = ['a_b', '__proto__'].map((call) => ({ turn: name, call, ref: 'log:1', text: 'gone' }));
      log.compact({ kind: 'calls', calls });
    } else if (step.do === 'drop') {
      const dropped = step.words.length % 2 === 0 ? turn : ended.at(-1);
      if (dropped !== undefined) log.add('turn.dropped', dropped, { turn: dropped });
    } else if (turn === undefined) continue;
    else if (step.do === 'again' || step.do === 'goOn') {
      attempt += 1;
      log.add('turn.started', turn, step.do === 'goOn' ? { attempt, goesOn: true } : { attempt });
    } else if (step.do === 'steer') {
      offered = `${turn}-${log.events.length}`;
      log.accept(turn, step.words, { disposition: 'steered' });
    } else if ((step.do === 'take' || step.do === 'requeue') && offered !== undefined) {
      const input = { id: offered, parts: [text(step.words)] };
      offered = undefined;
      if (step.do === 'take') log.add('turn.steered', turn, { input });
      else {
        count += 1;
        log.add('turn.requeued', turn, { input, turn: `t${count}` });
        queue.unshift(`t${count}`);
      }
    } else if (step.do === 'call') log.call(turn, step.call, step.words);
    else if (step.do === 'say') log.say(turn, step.words.repeat(1 + (step.size % 100)));
    else if (step.do === 'usage') log.usage(turn, step.size);
    else if (step.do === 'end' || step.do === 'fail') {
      log.end(turn, step.do === 'end' ? 'completed' : 'failed');
      ended.push(turn);
      running = undefined;
      begin();
    }
  }
  return log;
}

const all = (set: WorkingSet): unknown => ({
  history: set.history(),
  pieces: set.pieces().map(({ calls, ...piece }) => [piece, calls.map((call) => [call, call.messages()])]),
  view: set.view(),
  earlier: set.earlier,
});

/** As it is stored and found again. */
function stored(set: WorkingSet): Checkpoint | undefined {
  const conversation = set.checkpoint(MAX);
  return conversation === undefined ? undefined : leftOf(leftText({ conversation })).conversation;
}

test('whatever happened, a session knows after a checkpoint at any moment all that it knew', () => {
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (happened, share) => {
      const { events } = logOf(happened);
      const whole = new WorkingSet(measure());
      whole.feed(events);
      const before = new WorkingSet(measure());
      before.feed(events.slice(0, Math.round(share * events.length)));

      const checkpoint = stored(before);
      const after =
        checkpoint === undefined ? new WorkingSet(measure()) : WorkingSet.from(checkpoint, measure());
      after.feed(events);

      expect(JSON.stringify(all(after))).toBe(JSON.stringify(all(whole)));
    }),
    { numRuns: 300 },
  );
});

test('events that come twice, or in pieces, change nothing', () => {
  fc.assert(
    fc.property(steps, fc.nat(20), (happened, piece) => {
      const { events } = logOf(happened);
      const whole = new WorkingSet(measure());
      whole.feed(events);
      const bit = new WorkingSet(measure());
      for (let at = 0; at < events.length; at += piece + 1) {
        bit.feed(events.slice(Math.max(0, at - 5), at + piece + 1));
      }

      expect(JSON.stringify(all(bit))).toBe(JSON.stringify(all(whole)));
    }),
    { numRuns: 100 },
  );
});

test('a session that was looked at after every event shows what one shows that never was', () => {
  fc.assert(
    fc.property(steps, (happened) => {
      const { events } = logOf(happened);
      const whole = new WorkingSet(measure());
      whole.feed(events);
      const watched = new WorkingSet(measure());
      for (const event of events) {
        watched.feed([event]);
        watched.history();
      }

      expect(JSON.stringify(all(watched))).toBe(JSON.stringify(all(whole)));
    }),
    { numRuns: 300 },
  );
});

test('of what was folded and what was dropped nothing is shown, and every other turn that is over is', () => {
  fc.assert(
    fc.property(steps, (happened) => {
      const { events } = logOf(happened);
      const set = new WorkingSet(measure());
      set.feed(events);
      const gone = new Set<string | null>();
      const started = new Set<string | null>();
      for (const { kind, turn, body } of events) {
        if (kind === 'turn.started') started.add(turn);
        if (kind === 'turn.dropped') gone.add(turn);
        if (kind === 'context.compacted')
          for (const { kind: what, turns } of (
            JSON.parse(body) as { digests: { kind: string; turns: string[] }[] }
          ).digests)
            if (what === 'turns') for (const each of turns) gone.add(each);
      }
      const ended = events.filter(
        ({ kind, turn }) => kind === 'turn.ended' && started.has(turn) && !gone.has(turn),
      );

      expect(set.pieces().flatMap(({ turn }) => (turn === null ? [] : [turn]))).toEqual(
        ended.map(({ turn }) => turn),
      );
    }),
    { numRuns: 200 },
  );
});

describe('a checkpoint', () => {
  const long = (): WorkingSetLog => {
    const log = new WorkingSetLog();
    for (let turn = 0; turn < 40; turn += 1)
      log.turn(`t${turn}`, 'a question '.repeat(20), 'an answer '.repeat(20));
    return log;
  };

  test('holds what was counted, so that waking counts nothing', async () => {
    let counts = 0;
    const texts = textsBy(
      encoderOf((words) => {
        counts += 1;
        return words.length;
      }),
    );
    const options = measure(6_000, {}, texts);
    const set = new WorkingSet(options);
    set.feed(long().events);
    await set.counted();
    const before = set.tokens;
    const checkpoint = set.checkpoint(MAX);
    if (checkpoint === undefined) throw new Error('there is none');
    counts = 0;

    const after = WorkingSet.from(checkpoint, options);
    await after.counted();

    expect(after.tokens).toBe(before);
    expect(after.pressure).toBe(set.pressure);
    expect(counts).toBe(0);
  });

  test('is none where it would be too large, and where there is nothing to say', () => {
    const set = setOf(long());

    expect(set.checkpoint(5_000)).toBeUndefined();
    expect(new WorkingSet(measure()).checkpoint(MAX)).toBeUndefined();
  });

  test('of a session that was digested to a few words is as small as they are', () => {
    const log = long();
    log.fold(
      Array.from({ length: 39 }, (_, turn) => `t${turn}`),
      'forty questions',
    );

    const whole = setOf(long()).checkpoint(MAX)?.packed.length ?? 0;
    expect(setOf(log).checkpoint(whole / 2)).toBeDefined();
  });

  test('of an earlier version is passed over: the session is read from its log', () => {
    const earlier =
      '{"instance":{"a":1},"quiet":1,"lastSeq":9}\n{"chars":12,"hasRefs":false,"turns":[],"order":[],"offered":[]}';

    expect(leftOf(earlier)).toEqual({ instance: { a: 1 }, quiet: 1 });
  });

  test('is not taken apart by those who only ask how much it weighs and where it ends', () => {
    const set = WorkingSet.from({ lastSeq: 7, packed: 'not even JSON' }, measure());

    expect([set.lastSeq, set.bytes, set.checkpoint(MAX)?.packed]).toEqual([7, 26, 'not even JSON']);
  });

  test('shows what was digested as it was shown before', () => {
    const log = long();
    log.turn('x', 'look', 'seen', { c1: 'x'.repeat(500) });
    log.compact({ kind: 'calls', calls: [{ turn: 'x', call: 'c1', ref: 'log:1', text: 'gone' }] });
    const set = setOf(log);
    const checkpoint = stored(set);
    if (checkpoint === undefined) throw new Error('there is none');

    expect(shown(WorkingSet.from(checkpoint, measure()))).toEqual(shown(set));
    expect(shown(set)).toContain('c1 = "gone"');
  });
});

test('models of a family are counted alike, whatever their provider calls them', () => {
  expect(['claude-opus-4-5', 'anthropic/claude-haiku', 'eu.anthropic.claude-v2'].map(familyOf)).toEqual([
    'claude',
    'claude',
    'claude',
  ]);
  expect(['gpt-5', 'openai/gpt-4o', 'o3-mini', 'chatgpt-4o-latest'].map(familyOf)).toEqual([
    'openai',
    'openai',
    'openai',
    'openai',
  ]);
  expect(['gemini-2.5-pro', 'qwen3', 'llama-4', undefined, ''].map(familyOf)).toEqual([
    'other',
    'other',
    'other',
    'other',
    'other',
  ]);
});
