// What a model is given to read back with, and what it hears when it is wrong.
import { describe, expect, test } from 'vitest';
import { type AgentTurn, readBackTool } from '../src/agent/agent.ts';
import type { JsonObject } from '../src/kernel/json.ts';
import { testTurn } from '../src/testing/test-turn.ts';
import type { ReadBack, ReadBackCall } from '../src/wire/context.ts';
import { type Scene, scene } from './read-back-scene.ts';

const page = (given: Partial<ReadBack>): ReadBack => ({
  ref: 'log:1',
  mediaType: 'text/plain',
  bytes: 9,
  text: '',
  ...given,
});

function turnOf(session: Scene): AgentTurn {
  return testTurn({ readBack: (call) => session.read(call) }).turn;
}

async function said(turn: AgentTurn, input: JsonObject): Promise<{ text: string; isError: boolean }> {
  const { parts, isError } = await readBackTool(turn).call(input);
  return { text: parts.map((part) => (part.type === 'text' ? part.text : '')).join(''), isError };
}

test('it takes flat members, and asks the turn for exactly that', async () => {
  const { turn, reads } = testTurn({ readBack: () => page({ text: 'ok' }) });
  const given: [JsonObject, ReadBackCall][] = [
    [{ ref: 'log:1' }, { ref: 'log:1' }],
    [
      { ref: 'log:1', from_line: 2, to_line: 4 },
      { ref: 'log:1', lines: { from: 2, to: 4 } },
    ],
    [
      { ref: 'log:1', to_line: '4' },
      { ref: 'log:1', lines: { from: 1, to: 4 } },
    ],
    [
      { ref: 'log:1', head: 3 },
      { ref: 'log:1', head: 3 },
    ],
    [
      { ref: 'log:1', tail: 3, path: null, search: '' },
      { ref: 'log:1', tail: 3 },
    ],
    [
      { ref: 'log:1', path: '$.a' },
      { ref: 'log:1', path: '$.a' },
    ],
    [
      { ref: 'log:1', path: '$.a', from_byte: 7 },
      { ref: 'log:1', path: '$.a', bytes: { from: 7 } },
    ],
    [
      { ref: 'log:1', from_byte: 7, to_byte: 9 },
      { ref: 'log:1', bytes: { from: 7, to: 9 } },
    ],
    [
      { search: 'x', ignore_case: true, around: 2 },
      { search: { pattern: 'x', ignoreCase: true, around: 2 } },
    ],
    [{ search: { pattern: 'x' } }, { search: { pattern: 'x' } }],
    [
      { search: 'x', from_ref: 'log:3', from_line: 2, from_byte: 9 },
      { search: { pattern: 'x', fromRef: 'log:3', fromLine: 2, fromByte: 9 } },
    ],
  ];

  for (const [input] of given) expect(await said(turn, input)).toEqual({ text: 'ok', isError: false });

  expect(reads).toEqual(given.map(([, call]) => call));
});

test('what it needs to know of each member stands in its schema', () => {
  const { name, description, inputSchema } = readBackTool(testTurn().turn);

  expect(name).toBe('read_back');
  expect(description).toMatch(/Use it/);
  const properties = Object.values(inputSchema['properties'] as Record<string, JsonObject>);
  expect(properties.every((property) => typeof property['description'] === 'string')).toBe(true);
});

describe('an answer', () => {
  test('that is the whole is the text, and nothing else', async () => {
    const session = await scene();
    const ref = await session.artifact('one\ntwo');

    expect((await said(turnOf(session), { ref })).text).toBe('one\ntwo');
  });

  test('that is a page says what it is of, and how to go on; going on as it says gives the whole', async () => {
    const session = await scene();
    const whole = 'twelve bytes'.repeat(3_000);
    const ref = await session.artifact(whole);
    const turn = turnOf(session);

    let text = '';
    for (let input: JsonObject | undefined = { ref }; input !== undefined;) {
      const { text: answer }: { text: string } = await said(turn, input);
      expect(Buffer.byteLength(JSON.stringify({ text: answer }))).toBeLessThan(8_192);
      const [note = '', json]: (string | undefined)[] =
        /\n?\[bytes \d+ to \d+ of 36000(?:; more: (\{.*\}))?\]$/.exec(answer) ?? [];
      text += answer.slice(0, answer.length - note.length);
      input = json === undefined ? undefined : (JSON.parse(json) as JsonObject);
    }

    expect(text).toBe(whole);
  });

  test('of a search that goes on names the place, and the search stays the same', async () => {
    const session = await scene();
    for (const file of ['a', 'b']) await session.artifact(`needle ${file}\n`.repeat(500));

    const { text } = await said(turnOf(session), { search: 'needle' });

    expect(text).toMatch(
      /\[200 found; more: the same search with \{"from_ref":"artifact:[0-9a-f]{64}","from_line":201,"from_byte":1800\}\]$/,
    );
  });

  test('with nothing in it says so', async () => {
    const session = await scene();
    const ref = await session.artifact('');

    expect((await said(turnOf(session), { ref })).text).toBe('[it is empty]');
    expect((await said(turnOf(session), { ref, search: 'x' })).text).toMatch(/^\[nothing found/);
  });

  test('that is no text says that it is base64', async () => {
    const session = await scene();
    const ref = await session.artifact(Buffer.from([0xff, 0xd8, 0xff]), 'image/jpeg');

    expect((await said(turnOf(session), { ref })).text).toBe('/9j/\n[this is no text: its bytes as base64]');
  });
});

describe('what a model gets wrong is answered with what is wrong', () => {
  test.each<[JsonObject, RegExp]>([
    [{ ref: 'log:99' }, /^read-back\.invalid: There is nothing in this session's log at log:99\. /],
    [{ ref: `artifact:${'0'.repeat(64)}` }, /^artifact\.not_found: /],
    [{ ref: 7 }, /ref is a text/],
    [{ ref: 'log:1', lines: '1-2' }, /lines is nothing it takes/],
    [{ ref: 'log:1', head: 'few' }, /head is a whole number/],
    [{ ref: 'log:1', head: 1, tail: 1 }, /not head and tail/],
    [{ ref: 'log:1', search: 'x', to_line: 3 }, /not lines and search/],
    [{ search: '(' }, /missing closing/],
    [{ search: 'x', ignore_case: 'yes' }, /ignore_case is true or false/],
    [{}, /Without a reference/],
  ])('%j', async (input, error) => {
    const session = await scene();

    const answer = await said(turnOf(session), input);

    expect(answer).toEqual({ text: expect.stringMatching(error) as string, isError: true });
  });

  test('but the end of the turn passes through', async () => {
    const stopped = new Error('stopped');
    const { turn, abort } = testTurn({
      readBack: () => {
        abort(stopped);
        throw stopped;
      },
    });

    await expect(readBackTool(turn).call({ ref: 'log:1' })).rejects.toBe(stopped);
  });
});
