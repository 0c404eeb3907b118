// The working set: what an agent sees of its session, made from the log, with digests in the place of what left.
//
// Shown here (see traps-b.test.ts):
//   B-17  'calls a_b and ab are two, and so are two calls c of two turns', 'calls named __proto__ and constructor are calls as any'
import { expect, test } from 'vitest';
import { measure, setOf, shown, text, WorkingSetLog } from './working-set-log.ts';

test('an agent sees what was said in turns that are over, in order', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'one?', 'one.');
  log.turn('b', 'two?', 'two.', { c1: 'found' });
  log.accept('c', 'three?');
  log.start('c');
  log.say('c', 'thr');

  const set = setOf(log);

  expect(shown(set)).toEqual([
    'user: one?',
    'assistant: one.',
    'user: two?',
    'c1({"path":"a.txt"})',
    'c1 = "found"',
    'assistant: two.',
  ]);
});

test('the result of an old call is shown by its digest, and nothing else of the turn changes', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'look', 'seen.', { c1: 'word '.repeat(2_000), c2: 'short' });
  const before = setOf(log).tokens;

  log.compact({
    kind: 'calls',
    turns: ['a'],
    calls: [{ turn: 'a', call: 'c1', ref: 'log:4', text: '[moved]' }],
  });
  const set = setOf(log);

  expect(shown(set)).toEqual([
    'user: look',
    'c1({"path":"a.txt"})',
    'c1 = "[moved]"',
    'c2({"path":"a.txt"})',
    'c2 = "short"',
    'assistant: seen.',
  ]);
  expect(set.tokens).toBeLessThan(before - 1_000);
  expect(set.pieces()[0]?.calls.map(({ call, digested }) => [call, digested])).toEqual([
    ['c1', true],
    ['c2', false],
  ]);
});

test('a call that was only guessed when it was digested counts as if nobody had looked before', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'look', 'seen.', { c1: 'word '.repeat(2_000) });
  const watched = setOf(log);
  expect(watched.tokens).toBeGreaterThan(1_000);

  log.compact({ kind: 'calls', calls: [{ turn: 'a', call: 'c1', ref: 'log:4', text: '[moved]' }] });
  watched.feed(log.events);

  expect(watched.pieces().map(({ tokens }) => tokens)).toEqual(
    setOf(log)
      .pieces()
      .map(({ tokens }) => tokens),
  );
});

test('calls a_b and ab are two, and so are two calls c of two turns', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'look', 'seen.', { a_b: 'first', ab: 'second' });
  log.turn('b', 'again', 'seen.', { a_b: 'third' });

  log.compact({ kind: 'calls', calls: [{ turn: 'a', call: 'ab', ref: 'log:1', text: 'gone' }] });

  expect(shown(setOf(log)).filter((line) => line.includes(' = '))).toEqual([
    'a_b = "first"',
    'ab = "gone"',
    'a_b = "third"',
  ]);
});

test('calls named __proto__ and constructor are calls as any', () => {
  const log = new WorkingSetLog();
  log.turn(
    '__proto__',
    'look',
    'seen.',
    Object.fromEntries([
      ['__proto__', 'p'.repeat(900)],
      ['constructor', 'q'],
    ]),
  );
  const call = { turn: '__proto__', call: '__proto__', ref: 'log:4', text: 'gone' };

  log.compact({ kind: 'calls', calls: [call] });
  const set = setOf(log);

  expect(shown(set)).toContain('__proto__ = "gone"');
  expect(shown(set)).toContain('constructor = "q"');
  expect(set.view().calls).toEqual({ pending: [], returned: 2, digested: 1 });
});

test('an id that one turn used for two calls is never digested: nobody could say which was meant', () => {
  const log = new WorkingSetLog();
  log.accept('a', 'look');
  log.start('a');
  log.call('a', 'call_0', 'one');
  log.call('a', 'call_0', 'two');
  log.end('a');
  log.compact({ kind: 'calls', calls: [{ turn: 'a', call: 'call_0', ref: 'log:4', text: 'gone' }] });

  const set = setOf(log);

  expect(shown(set).filter((line) => line.includes(' = '))).toEqual(['call_0 = "one"', 'call_0 = "two"']);
  expect(set.pieces()[0]?.calls).toEqual([]);
});

test('old turns become one message at the beginning, which says how to read them', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'one?', 'one.');
  log.turn('b', 'two?', 'two.');
  log.turn('c', 'three?', 'three.');
  log.compact({
    kind: 'turns',
    from: 1,
    to: 8,
    ref: 'log:1-8',
    turns: ['a', 'b'],
    text: 'They counted to two.',
  });

  const set = setOf(log);

  const [first, ...rest] = shown(set);
  expect(first).toContain('They counted to two.');
  expect(first).toContain('log:1-8');
  expect(rest).toEqual(['user: three?', 'assistant: three.']);
  expect(set.history()[0]).toMatchObject({ role: 'user', turn: null });
  expect(set.earlier).toBe('They counted to two.');
  expect(set.pieces().map(({ kind, turn }) => [kind, turn])).toEqual([
    ['digest', null],
    ['turn', 'c'],
  ]);
});

test('a later digest of turns takes the place of the one before it', () => {
  const log = new WorkingSetLog();
  for (const turn of ['a', 'b', 'c']) log.turn(turn, `${turn}?`, `${turn}.`);
  log.fold(['a'], 'first');
  log.fold(['b'], 'first and second');

  const set = setOf(log);

  expect(set.earlier).toBe('first and second');
  expect(shown(set).slice(1)).toEqual(['user: c?', 'assistant: c.']);
  expect(set.view().compactions).toEqual({ count: 2, tokensSaved: 600, lastSeq: log.events.length });
});

test('a turn that was rolled back is not shown, also when it is dropped after its end', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'one?', 'one.');
  log.accept('b', 'two?');
  log.start('b');
  log.add('turn.dropped', 'b', { turn: 'b' });
  log.say('b', 'half');
  log.end('b', 'cancelled');
  log.turn('c', 'three?', 'three.');
  log.add('turn.dropped', 'c', { turn: 'c' });

  const set = setOf(log);

  expect(shown(set)).toEqual(['user: one?', 'assistant: one.']);
  expect(set.view().tasks.map(({ id }) => id)).toEqual(['a']);
});

test('what an attempt said before it was begun anew is not shown, and its calls wait for nothing', () => {
  const log = new WorkingSetLog();
  log.accept('a', 'go');
  log.start('a');
  log.say('a', 'void');
  log.add('tool.called', 'a', { call: 'c1', name: 'read', input: {} });
  log.start('a', 2);
  log.add('tool.called', 'a', { call: 'c2', name: 'write', input: {} });

  expect(setOf(log).view().calls.pending).toEqual([{ turn: 'a', call: 'c2', name: 'write' }]);

  log.say('a', 'done');
  log.end('a');
  expect(shown(setOf(log))).toEqual(['user: go', 'assistant: done']);
  expect(setOf(log).view().calls.pending).toEqual([]);
});

test('what was steered into a turn stands where it was taken', () => {
  const log = new WorkingSetLog();
  log.accept('a', 'go');
  log.start('a');
  log.accept('a', 'left', { disposition: 'steered' });
  log.say('a', 'going');
  log.add('turn.steered', 'a', { input: { id: 'a-2', parts: [text('left')] } });
  log.say('a', 'turned');
  log.end('a');

  expect(shown(setOf(log))).toEqual(['user: go', 'assistant: going', 'user: left', 'assistant: turned']);
});

test('a long input of a digested call is cut, a short one is as it was', () => {
  const log = new WorkingSetLog();
  log.accept('a', 'write');
  log.start('a');
  log.call('a', 'c1', 'ok', { path: 'a.txt', content: 'line\n'.repeat(500) });
  log.end('a');
  log.compact({ kind: 'calls', calls: [{ turn: 'a', call: 'c1', ref: 'log:4', text: 'gone' }] });

  const line = shown(setOf(log)).find((each) => each.startsWith('c1('));

  expect(line).toContain('a.txt');
  expect(line?.length).toBeLessThan(400);
});

test('a result that nothing but a message tells of can be read in that message', () => {
  const log = new WorkingSetLog();
  log.accept('a', 'look');
  log.start('a');
  log.add('message', 'a', {
    message: 'm',
    role: 'tool',
    parts: [{ type: 'tool-result', call: 'c1', name: 'read', output: 'found', isError: false }],
  });
  log.end('a');

  expect(
    setOf(log)
      .pieces()[0]
      ?.calls.map(({ call, seq }) => [call, seq]),
  ).toEqual([['c1', 3]]);
});

test('a person sees of each entry what it takes, what was digested and what is shown by reference', () => {
  const log = new WorkingSetLog();
  log.accept('a', 'look');
  log.start('a');
  log.call('a', 'c1', 'x'.repeat(300));
  const ref = { artifact: 'f'.repeat(64), bytes: 90_000, mediaType: 'text/plain', preview: 'head' };
  log.add('message', 'a', {
    message: 'm',
    role: 'tool',
    parts: [{ type: 'tool-result', call: 'c2', name: 'read', ref, isError: false }],
  });
  log.end('a');
  log.turn('b', 'and?', 'that.');
  log.compact({ kind: 'calls', calls: [{ turn: 'a', call: 'c1', ref: 'log:4', text: 'gone' }] });

  const { entries, tokens } = setOf(log).view();

  expect(
    entries.map(({ turn, text: words, digested, offloaded, ref: where }) => [
      turn,
      words,
      digested,
      offloaded,
      where,
    ]),
  ).toEqual([
    ['a', 'look', 1, 1, 'log:1-8'],
    ['b', 'and?', 0, 0, 'log:9-12'],
  ]);
  expect(tokens).toBe(entries.reduce((sum, entry) => sum + entry.tokens, 0));
  expect(entries[0]?.callTokens).toBeGreaterThan(100);
  expect(entries[1]?.callTokens).toBe(0);
});

test('another window for the same session changes its pressure at once', () => {
  const log = new WorkingSetLog();
  log.turn('a', 'word '.repeat(1_000), 'ok');
  const set = setOf(log, measure(100_000));
  expect(set.pressure).toBe('none');

  set.measureBy(measure(1_000));

  expect(set.pressure).toBe('emergency');
});
