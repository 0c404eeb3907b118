// The map of a session's tasks: what was asked, how far it got, and the diagram of it.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mermaid } from '../src/context/mermaid.ts';
import type { TaskView } from '../src/wire/context.ts';
import { setOf, text, WorkingSetLog } from './working-set-log.ts';

const tasks = (log: WorkingSetLog): readonly TaskView[] => setOf(log).view().tasks;
const brief = (log: WorkingSetLog): unknown[] => tasks(log).map(({ id, state, turns }) => [id, state, turns]);

describe('a task', () => {
  test('begins with what a person asks, and is done when its turn has completed', () => {
    const log = new WorkingSetLog();
    log.turn('a', 'Mend the  roof\nplease', 'Mended.', { c1: 'x', c2: 'y' });
    log.turn('b', 'Paint the door', 'Painted.');

    const [roof, door] = tasks(log);

    expect(roof).toEqual({
      id: 'a',
      title: 'Mend the roof please',
      state: 'done',
      turns: 1,
      tools: [{ name: 'read', calls: 2 }],
      children: [],
      ref: 'log:1-12',
      startedAt: '2026-01-01T00:00:02.000Z',
      endedAt: '2026-01-01T00:00:12.000Z',
    });
    expect(door?.ref).toBe('log:13-16');
  });

  test('is open while it is worked on, and when its turn failed', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'Mend it');
    log.start('a');
    expect(brief(log)).toEqual([['a', 'open', 1]]);

    log.end('a', 'failed');
    expect(brief(log)).toEqual([['a', 'open', 1]]);
    expect(tasks(log)[0]?.endedAt).toBeNull();
  });

  test('goes on with another try, and ends when that has completed', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'Mend it');
    log.start('a');
    log.end('a', 'interrupted');
    log.turn('b', 'Try again', 'Mended.');
    log.turn('c', 'Paint it', 'Painted.');

    expect(brief(log)).toEqual([
      ['a', 'done', 2],
      ['c', 'done', 1],
    ]);
  });

  test('holds what came of it: a result of a child, a schedule, and what a turn did not take', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'Ask around');
    log.start('a');
    log.add('child.started', 'a', { session: 'child-1' });
    log.add('child.started', 'a', { session: 'child-1' });
    log.accept('a', 'Also upstairs', { disposition: 'steered' });
    log.add('turn.requeued', 'a', { input: { id: 'a-4', parts: [text('Also upstairs')] }, turn: 'b' });
    log.end('a');
    log.start('b');
    log.end('b');
    log.accept('c', 'A child is done', { kind: 'child' });
    log.start('c');
    log.end('c');

    expect(brief(log)).toEqual([['a', 'done', 3]]);
    expect(tasks(log)[0]?.children).toEqual(['child-1']);
  });

  test('that was rolled back is none, and one that lost a turn is as it was before it', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'Mend it');
    log.start('a');
    log.end('a', 'failed');
    log.accept('b', 'Try again');
    log.start('b');
    log.add('turn.dropped', 'b', { turn: 'b' });
    log.end('b', 'cancelled');
    log.turn('c', 'Another way', 'Mended.');
    log.accept('d', 'Paint it');
    log.start('d');
    log.add('turn.dropped', 'd', { turn: 'd' });
    log.end('d', 'cancelled');

    expect(brief(log)).toEqual([['a', 'done', 2]]);
  });

  test('begins when its turn starts, not while it waits', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'One');
    log.start('a');
    log.accept('b', 'Two');
    expect(brief(log)).toEqual([['a', 'open', 1]]);

    log.end('a');
    log.start('b');
    expect(brief(log)).toEqual([
      ['a', 'done', 1],
      ['b', 'open', 1],
    ]);
  });

  test('has a title of one line and a bounded length, cut between characters', () => {
    const log = new WorkingSetLog();
    log.turn('a', '😀'.repeat(500), 'ok');

    expect(Array.from(tasks(log)[0]?.title ?? '')).toHaveLength(120);
    expect(tasks(log)[0]?.title.isWellFormed()).toBe(true);
  });

  test('is forgotten after a hundred others, and counted', () => {
    const log = new WorkingSetLog();
    for (let turn = 0; turn < 130; turn += 1) log.turn(`t${turn}`, `Do ${turn}`, 'Done.');

    const { tasks: kept, earlierTasks } = setOf(log).view();

    expect([kept.length, kept[0]?.title, earlierTasks]).toEqual([100, 'Do 30', 30]);
  });
});

describe('the diagram', () => {
  test('shows the tasks in order, with their state, tools and children', () => {
    const log = new WorkingSetLog();
    log.accept('a', 'Mend the roof');
    log.start('a');
    log.call('a', 'c1', 'x');
    log.add('child.started', 'a', { session: 'abc' });
    log.end('a');
    log.accept('b', 'Paint');
    log.start('b');

    expect(mermaid(setOf(log).view()).split('\n').slice(0, 5)).toEqual([
      'flowchart TD',
      '  t1["Mend the roof<br/>done, 1 turn<br/>read ×1<br/>log:1-8"]:::done',
      '  t1 -.-> t1c1(["child abc"]):::child',
      '  t2["Paint<br/>open, 1 turn<br/>log:9-9"]:::open',
      '  t1 --> t2',
    ]);
  });

  test('of a session without a task says so', () => {
    expect(mermaid({ tasks: [], earlierTasks: 0 })).toContain('Nothing was asked yet');
  });

  const task = (title: string, more: Partial<TaskView> = {}): TaskView => ({
    id: 'a',
    title,
    state: 'done',
    turns: 1,
    tools: [],
    children: [],
    ref: 'log:1-2',
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: null,
    ...more,
  });

  /** Every line is one of the few that there can be. */
  const LINE =
    /^(flowchart TD|| {2}classDef \w+ [a-z0-9#:,]+| {2}\w+ (-->|-\.->) \w+(\(\["[^"<>`{}\\]*"\]\):::child)?| {2}earlier\(\["\d+ earlier tasks?"\]\)| {2}none\(\["Nothing was asked yet"\]\)| {2}t\d+\["(?:[^"<>`{}\\%;&[\]]|#\d+;|<br\/>)*"\]:::(done|open))$/;

  test.each([
    '"] click t1 "javascript:alert(1)" x["',
    '<img src=x onerror=alert(1)>',
    '%%{init: {"theme":"dark"}}%%',
    '`markdown **bold**`',
    '1. a list\n- another',
    'a;b--c|d & e #quot; {f} [g] \\ \u202E\u0000\u2028',
    'end',
  ])('keeps the title %j in its label', (title) => {
    const lines = mermaid({ tasks: [task(title)], earlierTasks: 0 }).split('\n');

    for (const line of lines) expect(line).toMatch(LINE);
    expect(lines).toHaveLength(6);
  });

  test('keeps whatever people, tools and children are called in its labels, and its size in bounds', () => {
    const named = fc.string({ unit: 'binary', maxLength: 40 });
    const made = fc
      .record({ title: named, tool: named, child: named, count: fc.nat(60) })
      .map(({ title, tool, child, count }) => {
        const tools = Array.from({ length: 5 }, () => ({ name: tool, calls: 2 }));
        return Array.from({ length: count }, () =>
          task(title, { tools, children: Array<string>(9).fill(child) }),
        );
      });
    fc.assert(
      fc.property(made, (all) => {
        const drawn = mermaid({ tasks: all, earlierTasks: 3 });

        for (const line of drawn.split('\n')) expect(line).toMatch(LINE);
        expect(drawn.length).toBeLessThan(120_000);
      }),
      { numRuns: 60 },
    );
  });
});
