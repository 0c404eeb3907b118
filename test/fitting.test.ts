// Fitting: the prompt of a turn that runs, and a window that it must not pass.
import { expect, test } from 'vitest';
import { Fitting } from '../src/context/fitting.ts';
import type { WorkingSet } from '../src/context/working-set.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import type { Message, Part } from '../src/wire/message.ts';
import { page } from './compaction-scene.ts';
import { measure, setOf, text, WorkingSetLog } from './working-set-log.ts';

const WINDOW = 4_000;

const message = (role: Message['role'], ...parts: Part[]): Message => ({
  role,
  parts,
  turn: 't2',
  at: '2026-01-01T00:00:00.000Z',
});

/** A turn that ended, and one that runs and has made so many calls. Each result is a page. */
function running(calls: number, words = 200, hasPast = true) {
  const log = new WorkingSetLog();
  if (hasPast) log.turn('t1', 'first', 'done', { c0: page(99, words) });
  log.accept('t2', 'go on');
  log.start('t2');
  const said: Message[] = [message('user', text('go on'))];
  for (let at = 1; at <= calls; at += 1) {
    const [call, output, input] = [`c${at}`, page(at, words), { path: `${at}.txt` }];
    log.call('t2', call, output, input);
    said.push(message('assistant', { type: 'tool-call', call, name: 'read', input }));
    said.push(message('tool', { type: 'tool-result', call, name: 'read', output, isError: false }));
  }
  const set = setOf(log, measure(WINDOW));
  return { log, set, messages: [...set.history(), ...said] };
}

const outputs = (messages: readonly Message[]): string[] =>
  messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === 'tool-result' ? [String(part.output)] : [])),
  );

const fittingOf = (set: WorkingSet): Fitting => new Fitting(set, DEFAULT_LIMITS, set.history());

const tokens = (set: WorkingSet, messages: readonly Message[]): number =>
  set.overheadTokens + set.count(messages);

test('a prompt that fits is shown as it is', async () => {
  const { set, messages } = running(2);

  expect(await fittingOf(set).fitted(messages)).toBe(messages);
});

test('past the window old results are shown by a line that says where they are, and the newest stays', async () => {
  const { log, set, messages } = running(9);

  const fitted = await fittingOf(set).fitted(messages);

  expect(tokens(set, messages)).toBeGreaterThan(0.95 * WINDOW);
  expect(tokens(set, fitted)).toBeLessThanOrEqual(0.6 * WINDOW);
  const shown = outputs(fitted);
  expect(shown[0]).toMatch(
    /^\[Moved out: read "a.txt" returned \d+ bytes: .* read_back {"ref":"log:\d+"}\]$/,
  );
  expect(shown.at(-1)).toBe(page(9, 200));
  const seq = Number(/log:(\d+)/.exec(shown[1] ?? '')?.[1]);
  expect(JSON.parse(log.events[seq - 1]?.body ?? '')).toMatchObject({ call: 'c1', output: page(1, 200) });
});

test('in the first turn of a session the window is as small as in any', async () => {
  const { set, messages } = running(9, 200, false);

  const fitted = await fittingOf(set).fitted(messages);

  expect(set.history()).toEqual([]);
  expect(set.view().counting).toBe('other');
  expect(tokens(set, fitted)).toBeLessThanOrEqual(0.6 * WINDOW);
});

test('what was shown in short stays so while the turn goes on, and what fits again is left alone', async () => {
  const { log, set, messages } = running(9);
  const fitting = fittingOf(set);

  const first = await fitting.fitted(messages);
  log.call('t2', 'c10', page(10, 200));
  set.feed(log.events);
  const longer = [
    ...first,
    message('assistant', { type: 'tool-call', call: 'c10', name: 'read', input: {} }),
    message('tool', {
      type: 'tool-result',
      call: 'c10',
      name: 'read',
      output: page(10, 200),
      isError: false,
    }),
  ];

  expect(await fitting.fitted(first)).toBe(first);
  expect(await fitting.fitted(longer)).toBe(longer);
});

test('the newest results are shown in short only where the others are not enough', async () => {
  const { set, messages } = running(1, 3_000);

  const fitted = await fittingOf(set).fitted(messages);

  expect(outputs(fitted).map((each) => each.startsWith('[Moved out: '))).toEqual([true, true]);
});

test('a result that the log does not tell yet stays', async () => {
  const { set, messages } = running(9);
  const [asked, returned] = [
    message('assistant', { type: 'tool-call', call: 'new', name: 'read', input: {} }),
    message('tool', { type: 'tool-result', call: 'new', name: 'read', output: page(5, 900), isError: false }),
  ];

  const fitted = await fittingOf(set).fitted([...messages, asked, returned]);

  expect(outputs(fitted).at(-1)).toBe(page(5, 900));
});

test('an id that a turn used twice is shown whole: nobody could say which result was meant', async () => {
  const { set, messages } = running(9);
  const again = messages.slice(-2);

  const fitted = await fittingOf(set).fitted([...messages, ...again]);

  expect(outputs(fitted).filter((each) => each === page(9, 200))).toHaveLength(2);
});

test('what was counted is not counted again, nor is the time before the turn', async () => {
  const { set, messages } = running(2);
  const fitting = fittingOf(set);
  const counted: string[] = [];
  const count = set.count.bind(set);
  set.count = (said) => {
    counted.push(...said.flatMap(({ parts }) => parts.map(({ type }) => type)));
    return count(said);
  };

  await fitting.fitted(messages);
  const [asked, returned] = [
    message('assistant', { type: 'tool-call', call: 'new', name: 'read', input: {} }),
    message('tool', { type: 'tool-result', call: 'new', name: 'read', output: 'ok', isError: false }),
  ];
  await fitting.fitted([...messages, asked, returned]);

  expect(set.history().flatMap(({ parts }) => parts)).toHaveLength(4);
  const turn = ['text', ...Array.from({ length: 2 }, () => ['tool-call', 'tool-result']).flat()];
  expect(counted).toEqual([...turn, 'tool-call', 'tool-result']);
});

test('where nothing makes it fit, the turn is told that it does not', async () => {
  const { set, messages } = running(1);
  const long = message('user', text(page(7, 5_000)));

  await expect(fittingOf(set).fitted([...messages, long])).rejects.toMatchObject({
    code: 'context.too_large',
  });
});
