import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import type { ArtifactRef, Part } from '../src/wire/message.ts';
import { type Said, scene } from './read-back-scene.ts';

const returned = (call: string, output: unknown): Said => ({
  kind: 'tool.returned',
  body: { call, output, isError: false },
});
const says = (parts: readonly Part[]): Said => ({
  kind: 'message',
  body: { message: 'm1', role: 'assistant', parts },
});
const delta: Said = { kind: 'text.delta', body: { text: 'half a wo', message: 'm1' } };

function refOf(ref: string, bytes: number): ArtifactRef {
  return {
    artifact: ref.slice('artifact:'.length),
    bytes,
    mediaType: 'text/plain; charset=utf-8',
    preview: 'the be',
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof SojournError ? error.code : String(error);
}

describe('one event', () => {
  test('says what was said in it, without what only the log needs', async () => {
    const session = await scene();
    const input = { id: 'i1', parts: [{ type: 'text', text: 'Where is it?' }] } as const;
    const accepted: Said = {
      kind: 'turn.accepted',
      body: { input, policy: 'queue', disposition: 'started', kind: 'user', author: null, channel: null },
    };
    await session.log([
      accepted,
      { kind: 'tool.called', body: { call: 'c1', name: 'find', input: { what: 'it' } } },
      returned('c1', 'in the drawer\n'),
      returned('c2', { shelf: 3 }),
      says([
        { type: 'text', text: 'There: ' },
        { type: 'text', text: 'the drawer.' },
      ]),
      { kind: 'custom', body: { name: 'mood', data: 'glad' } },
    ]);

    const texts = [];
    for (const seq of [1, 2, 3, 4, 5, 6]) texts.push((await session.read({ ref: `log:${seq}` })).text);

    expect(texts).toEqual([
      'Where is it?',
      '{"what":"it"}',
      'in the drawer\n',
      '{"shelf":3}',
      'There: the drawer.',
      '{"name":"mood","data":"glad"}',
    ]);
    expect(await session.read({ ref: 'log:4', path: '$.shelf' })).toMatchObject({ text: '3\n' });
  });

  test('whose result is a file gives the bytes of the file', async () => {
    const session = await scene();
    const content = 'row\n'.repeat(5_000);
    const ref = await session.artifact(content);
    await session.log([
      { kind: 'tool.returned', body: { call: 'c1', isError: false, ...refOf(ref, content.length) } },
      says([
        { type: 'text', text: 'the be', ref: refOf(ref, content.length) },
        { type: 'text', text: 'and the end' },
      ]),
    ]);

    expect((await session.walk({ ref: 'log:1' })).bytes.toString()).toBe(content);
    expect((await session.walk({ ref: 'log:2' })).bytes.toString()).toBe(`${content}and the end`);
    expect((await session.read({ ref: 'log:2', tail: 1 })).text).toBe('and the end');
  });
});

describe('a stretch', () => {
  test('is its events as lines of JSON, without what was said piece by piece', async () => {
    const session = await scene();
    await session.log([returned('c1', 'one'), delta, returned('c2', 'two')]);

    const { text, mediaType, bytes } = await session.read({ ref: 'log:1-3' });

    const events = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { seq: number; body: unknown });
    expect(events.map(({ seq }) => seq)).toEqual([1, 3]);
    expect(events[1]?.body).toEqual({ call: 'c2', output: 'two', isError: false });
    expect({ mediaType, bytes }).toEqual({ mediaType: 'application/x-ndjson', bytes: null });
  });

  test('goes on at the event where a page was full, however large events are, and comes whole', async () => {
    const session = await scene();
    const events = Array.from({ length: 60 }, (_, index) =>
      returned(`c${index}`, 'é'.repeat((index % 7) * 2_000)),
    );
    await session.log(events);

    const first = await session.read({ ref: 'log:1-60' });
    const whole = await session.walk({ ref: 'log:1-60' });
    const head = await session.walk({ ref: 'log:1-60', head: 30 });

    const lines = whole.bytes.toString().trimEnd().split('\n');
    expect(first.next?.ref).toMatch(/^log:\d+-60$/);
    expect(lines.map((line) => (JSON.parse(line) as { body: unknown }).body)).toEqual(
      events.map(({ body }) => body),
    );
    expect(head.bytes.toString().trimEnd().split('\n')).toEqual(lines.slice(0, 30));
    expect((await session.walk({ ref: 'log:1-60', tail: 2 })).bytes.toString()).toBe(
      `${lines.slice(-2).join('\n')}\n`,
    );
    expect((await session.walk({ ref: 'log:1-60', lines: { from: 5, to: 6 } })).bytes.toString()).toBe(
      `${lines.slice(4, 6).join('\n')}\n`,
    );
  });

  test('is searched in what was said, and each match says in which event', async () => {
    const session = await scene();
    await session.log([
      returned('c1', 'a "quoted"\nline'),
      delta,
      says([{ type: 'text', text: 'half a word "quoted"' }]),
    ]);

    const found = await session.read({ ref: 'log:1-3', search: { pattern: '"quoted"' } });

    expect(found.text).toBe('log:1\n1: a "quoted"\nlog:3\n1: half a word "quoted"\n');
  });

  test('a search of it goes on in the event where it stopped', async () => {
    const session = await scene({ inlineBytesMax: 1_024 });
    await session.log(
      Array.from({ length: 50 }, (_, index) => returned(`c${index}`, `needle ${index}\nneedle`)),
    );

    let text = '';
    for (
      let page = await session.read({ ref: 'log:1-50', search: { pattern: 'needle' } });
      ;
      page = await session.read(page.next)
    ) {
      text += page.text;
      if (page.next === undefined) break;
    }

    expect(text.match(/needle \d+/g)).toHaveLength(50);
    expect(text.match(/needle$/gm)).toHaveLength(50);
  });
});

describe('everything that was moved out', () => {
  test('is searched with the newest file first, then what stands behind digests, each under its reference', async () => {
    const session = await scene();
    const older = await session.artifact('needle in the older file');
    const newer = await session.artifact('a needle in the newer file');
    await session.artifact(Buffer.from('needle'), 'image/png');
    await session.log([
      returned('c1', 'needle in a turn'),
      returned('c2', 'needle in a call'),
      returned('c3', 'needle still shown'),
    ]);
    const sizes = { tokensBefore: 9, tokensAfter: 1 };
    const digests = [
      { kind: 'turns', from: 1, to: 1, ref: 'log:1-1', turns: ['t1'], text: 'found it', ...sizes },
      {
        kind: 'calls',
        from: 2,
        to: 2,
        ref: 'log:2',
        turns: ['t1'],
        calls: [{ turn: 't1', call: 'c2', ref: 'log:2', text: '' }],
        ...sizes,
      },
    ] as const;
    const totals = { pressure: 'mild', by: 'rules', windowTokens: 9, ...sizes } as const;
    await session.log([{ kind: 'context.compacted', body: { ...totals, digests } }]);

    const found = await session.read({ search: { pattern: 'needle' } });

    expect(found.text).toBe(
      [
        newer,
        '1: a needle in the newer file',
        older,
        '1: needle in the older file',
        'log:2',
        '1: needle in a call',
        'log:1',
        '1: needle in a turn',
        '',
      ].join('\n'),
    );
    expect(found).toMatchObject({ ref: null, bytes: null, matches: 4 });
    expect(found.next).toBeUndefined();
  });

  test('a file that is gone does not keep the others from being searched, and is named', async () => {
    const session = await scene();
    const kept = await session.artifact('a needle');
    const gone = await session.artifact('another needle');
    await session.store.files.remove('default', gone.slice('artifact:'.length));

    const found = await session.read({ search: { pattern: 'needle' } });

    expect(found.text).toBe(`${kept}\n1: a needle\n[not there to be searched: ${gone}]\n`);
    expect(await codeOf(session.read({ ref: gone, search: { pattern: 'needle' } }))).toBe(
      'artifact.not_found',
    );
    expect(await codeOf(session.read({ ref: gone }))).toBe('artifact.not_found');
  });

  test('a search of it goes on where it stopped, in each of its parts', async () => {
    const session = await scene({ inlineBytesMax: 1_024 });
    for (let file = 0; file < 4; file += 1) await session.artifact(`needle ${file}\n`.repeat(30));
    await session.log(Array.from({ length: 40 }, (_, index) => returned(`c${index}`, `needle call${index}`)));
    const sizes = { tokensBefore: 9, tokensAfter: 1 };
    const calls = [39, 40].map((seq) => ({ turn: 't1', call: `c${seq}`, ref: `log:${seq}`, text: '' }));
    const digests = [
      { kind: 'turns', from: 1, to: 38, ref: 'log:1-38', turns: ['t1'], text: '', ...sizes },
      { kind: 'calls', from: 39, to: 40, ref: 'log:39-40', turns: ['t1'], calls, ...sizes },
    ] as const;
    await session.log([
      {
        kind: 'context.compacted',
        body: { pressure: 'mild', by: 'rules', windowTokens: 9, ...sizes, digests },
      },
    ]);

    let text = '';
    for (
      let page = await session.read({ search: { pattern: 'needle' } });
      ;
      page = await session.read(page.next)
    ) {
      text += page.text;
      if (page.next === undefined) break;
    }

    expect(text.match(/needle \d/g)).toHaveLength(120);
    expect(new Set(text.match(/needle call\d+/g)).size).toBe(40);
    expect(text.match(/needle call\d+/g)).toHaveLength(40);
  });
});

describe('what is not there', () => {
  test.each([
    ['', 'read-back.invalid'],
    ['file:1', 'read-back.invalid'],
    ['artifact:abc', 'read-back.invalid'],
    [`artifact:${'A'.repeat(64)}`, 'read-back.invalid'],
    [`artifact:../${'a'.repeat(61)}`, 'read-back.invalid'],
    ['log:0', 'read-back.invalid'],
    ['log:01', 'read-back.invalid'],
    ['log:3-2', 'read-back.invalid'],
    ['log:99', 'read-back.invalid'],
    ['log:50-99', 'read-back.invalid'],
    [`artifact:${'a'.repeat(64)}`, 'artifact.not_found'],
  ])('%s answers %s', async (ref, code) => {
    const session = await scene();
    await session.log([returned('c1', 'one')]);

    expect(await codeOf(session.read({ ref }))).toBe(code);
    expect(await codeOf(session.read({ ref, search: { pattern: 'x' } }))).toBe(code);
  });

  test("another session's file is not there, in the same project and in another, also where an event names it", async () => {
    const store = new MemoryStore({ clock: systemClock });
    const mine = await scene({ store, key: 'mine' });
    const near = await scene({ store, key: 'near' });
    const far = await scene({ store, key: 'far', project: 'other' });
    const ref = await near.artifact('secret');

    const forged = { call: 'c1', isError: false, ...refOf(ref, 6) };
    const seq = await mine.log([{ kind: 'tool.returned', body: forged }]);
    const text = await mine.log([says([{ type: 'text', text: 'the be', ref: refOf(ref, 6) }])]);

    expect((await near.read({ ref })).text).toBe('secret');
    expect(await codeOf(mine.read({ ref: `log:${seq}` }))).toBe('artifact.not_found');
    expect(await codeOf(mine.read({ ref: `log:${text}` }))).toBe('artifact.not_found');
    expect((await mine.read({ ref: `log:${seq}-${text}`, search: { pattern: 'secret' } })).matches).toBe(0);
    expect(await codeOf(mine.read({ ref }))).toBe('artifact.not_found');
    expect(await codeOf(far.read({ ref }))).toBe('artifact.not_found');
    expect((await mine.read({ search: { pattern: 'secret' } })).matches).toBe(0);
  });

  test('without a reference only a search reads anything', async () => {
    const session = await scene();

    expect(await codeOf(session.read({}))).toBe('read-back.invalid');
    expect(await codeOf(session.read({ head: 3 }))).toBe('read-back.invalid');
  });
});
