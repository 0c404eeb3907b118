// Imports of exports: all of a session is there, or nothing is, whatever is wrong and whenever the process ends.
//
// Shown here, by what a user sees (H-DISK: the catalogue of hostile input; F: edge values):
//   H-DISK 87  that was cut off after any of its lines
//   H-DISK 88  says on which line it is wrong (over 8 MiB, NULs); goes in batches (whatever its size)
//   F, disk    does not mind a byte order mark, other line ends and empty lines; a format that is not known
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import type { Append } from '../src/store/store.ts';
import { exported, left, linesOf, lived, MiB, NOTHING, said, taken } from './export-scene.ts';
import { bodies, refusal, say, spoken, Stage } from './session-stage.ts';

type Line = Record<string, unknown>;

function changed(lines: readonly string[], index: number, change: (line: Line) => unknown): string {
  const line = JSON.parse(lines[index] ?? '') as Line;
  change(line);
  return lines.with(index, JSON.stringify(line)).join('\n');
}

/** Each with what is said of it. */
function wrongLines(lines: readonly string[]): [string, RegExp][] {
  const message = lines.findIndex((line) => line.includes('"kind":"message"'));
  const third = (text: string): string => lines.with(2, text).join('\n');
  const parts = (given: unknown): string =>
    changed(lines, message, (line) => ((line['body'] as Line)['parts'] = given));
  const format = 'Line 1 is not the head of an export of format 1 or 2: it has format 3';
  return [
    [third('x'.repeat(9 * MiB)), /^input\.too_large: Line 3 is over 8388608 bytes/],
    [third('\0'.repeat(64)), /^input\.invalid: Line 3 holds NUL characters: the file was not written to/],
    [third(lines[2]?.slice(0, 20) ?? ''), /Line 3 is not JSON, or was cut off/],
    [changed(lines, 0, (line) => (line['sojourn'] = 3)), new RegExp(format)],
    [changed(lines, 2, (line) => (line['kind'] = 'x\nid: 9')), /Line 3 has no kind/],
    [changed(lines, 2, (line) => (line['turn'] = 'x","seq":1')), /Line 3 has no turn/],
    [changed(lines, 2, (line) => (line['at'] = 'soon')), /Line 3 has no time/],
    [parts(null), new RegExp(`Line ${message + 1} is no message: at "/parts"`)],
    [parts([{ type: 'text' }]), /is no message: at "\/parts\/0\/text"/],
    [[...lines, '{}'].join('\n'), new RegExp(`Line ${lines.length + 1} comes after the end`)],
  ];
}

function wrongArtifacts(lines: readonly string[]): [string, RegExp][] {
  const piece = lines.findIndex((line) => line.startsWith('{"artifact"'));
  const first = (bytes: number): string => changed(lines, piece, (line) => (line['bytes'] = bytes));
  const without = lines.filter((line) => !line.startsWith('{"artifact"')).join('\n');
  return [
    [first(70 * MiB), /^artifact\.too_large: The artifact that begins on line/],
    [first(5), /brings 786432 bytes of artifact [0-9a-f]{64}, which has 5/],
    [changed(lines, piece + 1, (line) => (line['from'] = 1)), /goes on with an artifact that is not there/],
    [changed(lines, piece + 1, (line) => (line['data'] = 'AAAA')), /brings|goes on/],
    [lines.toSpliced(piece + 1, 1).join('\n'), /goes on with an artifact that is not there/],
    [without.replace('"artifacts":1}', '"artifacts":0}'), /which an event refers to, did not come/],
  ];
}

describe('an import', () => {
  test('does not mind a byte order mark, other line ends and empty lines', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await say(here, 'chat', '/big 9000');
    const out = await exported(here, 'chat');

    await taken(there, 'chat', `\uFEFF${out.replaceAll('\n', '\r\n\r\n')}`);

    expect(await exported(there, 'chat')).toBe(out);
  });

  test('that was cut off after any of its lines is refused, and leaves nothing behind', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await lived(here, 'chat');
    const lines = (await exported(here, 'chat')).trimEnd().split('\n');
    const stops = [...lines.keys()].filter((index) => index % 7 === 0 || index > lines.length - 12);

    for (const stop of stops) {
      const cut = lines.slice(0, stop);
      expect(await refusal(taken(there, 'chat', cut.join('\n')))).toBe('input.invalid');
      const torn = [...cut, lines[stop]?.slice(0, -5) ?? ''];
      expect(await said(taken(there, 'chat', torn.join('\n')))).toMatch(/^input\.invalid/);
    }
    expect(await left(there)).toEqual(NOTHING);
    await taken(there, 'chat', `${lines.join('\n')}\n`);
    expect((await left(there)).sessions).toEqual(['chat']);
  });

  test('says on which line it is wrong, and what is wrong there', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await say(here, 'chat', '/big 1600000');
    const lines = (await exported(here, 'chat')).trimEnd().split('\n');

    for (const [text, reason] of [...wrongLines(lines), ...wrongArtifacts(lines)])
      expect(await said(taken(there, 'chat', text))).toMatch(reason);

    expect(await left(there)).toEqual(NOTHING);
  });

  test('of a file in which a byte was changed anywhere never leaves half a session', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await say(here, 'chat', '/big 9000');
    await say(here, 'chat', 'hello');
    const out = await exported(here, 'chat');
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };

    const leftovers: unknown[] = [];
    for (let round = 0; round < 150; round++) {
      const at = random(out.length);
      const text = out.slice(0, at) + String.fromCharCode(random(128)) + out.slice(at + 1);
      if ((await refusal(taken(there, 'chat', text))) === 'nothing') {
        // It is another session that is whole: it can be read, and goes on.
        await there.runtime.transcript('chat');
        await there.runtime.waitForIdle('chat');
        await there.runtime.close('chat', { erase: true });
      }
      leftovers.push(await left(there));
    }

    expect(leftovers).toEqual(leftovers.map(() => NOTHING));
  });

  test('goes in batches, and is seen by nobody until all of it is there', async () => {
    await using here = await testRuntime({ agents: { stage: new Stage() } });
    const { id } = await here.runtime.open('chat', { agent: 'stage' }).then(({ session }) => session);
    const head = (await exported(here, 'chat')).split('\n').slice(0, 2);
    const event = (seq: number): string =>
      JSON.stringify({
        seq,
        at: '2026-01-01T00:00:00.000Z',
        kind: 'custom',
        turn: null,
        body: { name: 'n', data: 'x'.repeat(9_000) },
      });
    const appends: Append[] = [];
    await using there = await testRuntime({ onWrite: (append) => void appends.push(append) });
    const seen: number[] = [];
    async function* lines(): AsyncGenerator<string> {
      yield* head;
      for (let seq = 2; seq <= 2_000; seq++) {
        yield event(seq);
        if (seq % 500 === 0) seen.push((await left(there)).sessions.length);
      }
      yield JSON.stringify({ end: true, events: 2_000, artifacts: 0 });
    }

    const view = await there.runtime.import('chat', lines());

    const chars = appends.map(({ events }) => events.reduce((sum, { body }) => sum + body.length, 0));
    expect(chars.length).toBeGreaterThan(15);
    expect(Math.max(...chars)).toBeLessThan(1.1 * MiB);
    expect(seen).toEqual([0, 0, 0, 0]);
    expect(view).toMatchObject({ headSeq: 2_000, state: 'idle' });
    expect(view.id).not.toBe(id);
    expect(await left(there)).toMatchObject({ sessions: ['chat'], staged: 0 });
  });

  test('that the process was killed in the middle of leaves nothing after the next start', async () => {
    await using here = await testRuntime();
    await lived(here, 'chat');
    for (let turn = 0; turn < 8; turn++) await say(here, 'chat', `${turn}${'x'.repeat(60_000)}`);
    const out = await exported(here, 'chat');

    for (const nth of [1, 2, 3, 4, 5]) {
      await using there = await testRuntime();
      let count = 0;
      const killed = there.killAtWrite(() => (count += 1) === nth);
      async function* slowly(): AsyncGenerator<string> {
        for await (const line of linesOf(out)) yield line;
      }
      const importing = there.runtime.import('chat', slowly()).then(
        () => 'imported',
        () => 'refused',
      );
      const first = await Promise.race([killed, importing]);
      if (first === 'imported') break; // It took fewer writes than that.
      await there.start();

      const { sessions, staged } = await left(there);
      expect(staged).toBe(0);
      // Killed at the last one it may be there; then all of it is.
      if (sessions.length === 0) await taken(there, 'chat', out);
      expect(await exported(there, 'chat')).toBe(out);
    }
  });

  test('that stops for good halfway leaves nothing after the next start, though nobody is told', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await lived(here, 'chat');
    for (let turn = 0; turn < 8; turn++) await say(here, 'chat', `${turn}${'x'.repeat(60_000)}`);
    const out = await exported(here, 'chat');
    const half = Promise.withResolvers<void>();
    async function* halfway(): AsyncGenerator<string> {
      for await (const line of linesOf(out)) {
        if (line.startsWith('{"end"')) {
          half.resolve();
          await new Promise(() => undefined);
        }
        yield line;
      }
    }

    void there.runtime.import('chat', halfway()); // It never ends.
    await half.promise;
    const during = await left(there);
    await there.crash();

    expect(during).toMatchObject({ sessions: [], staged: 1 });
    expect(await left(there)).toMatchObject({ sessions: [], staged: 0 });
    await taken(there, 'chat', out);
    expect(await exported(there, 'chat')).toBe(out);
  });

  test('whose key somebody takes meanwhile is refused, and leaves nothing behind but what it met', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await say(here, 'chat', '/big 9000');
    const out = await exported(here, 'chat');
    async function* slowly(): AsyncGenerator<string> {
      for await (const line of linesOf(out)) {
        if (line.startsWith('{"end"')) await say(there, 'chat', 'I was first');
        yield line;
      }
    }

    expect(await refusal(there.runtime.import('chat', slowly()))).toBe('session.exists');
    expect(await left(there)).toEqual({ sessions: ['chat'], staged: 0, files: 0 });
    expect(spoken(await there.runtime.transcript('chat'))[0]).toBe('user: I was first');
  });

  test('of two under the same key at once one is there, and whole', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await lived(here, 'chat');
    const out = await exported(here, 'chat');

    const outcomes = await Promise.all([1, 2].map(() => refusal(taken(there, 'chat', out))));

    expect(outcomes.toSorted()).toEqual(['nothing', 'session.exists']);
    expect(await exported(there, 'chat')).toBe(out);
    expect(await left(there)).toMatchObject({ sessions: ['chat'], staged: 0 });
  });

  test('that is over the quota of artifacts is refused, and leaves nothing behind', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime({ limits: { artifactBytesPerSessionMax: 1_000_000 } });
    await say(here, 'chat', '/big 700000');
    await say(here, 'chat', '/big 600000');

    expect(await refusal(taken(there, 'chat', await exported(here, 'chat')))).toBe('artifact.quota');
    expect(await left(there)).toEqual(NOTHING);
  });

  test('with an event that is too large for this server is refused with its line', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime({ limits: { eventBytesMax: 20_000 } });
    await say(here, 'chat', randomBytes(15_000).toString('hex'));

    expect(await said(taken(there, 'chat', await exported(here, 'chat')))).toMatch(
      /^log\.event_too_large: Line \d+ holds an event/,
    );
    expect(await left(there)).toEqual(NOTHING);
  });

  test('counts as a new session, and so does a fork: more than a project may make at once are refused', async () => {
    await using world = await testRuntime({ limits: { createBurst: 3, createPerMinute: 1 } });
    await say(world, 'chat', 'hello');
    const out = await exported(world, 'chat');

    await taken(world, 'copy', out);
    await world.runtime.fork('chat', { key: 'fork' });

    expect(await refusal(taken(world, 'another', out))).toBe('session.limit');
    expect(await refusal(world.runtime.fork('chat', { key: 'another' }))).toBe('session.limit');
    expect((await left(world)).sessions).toEqual(['chat', 'copy', 'fork']);
  });

  test('goes on with another agent where one is named, and refuses one that is not there', async () => {
    await using here = await testRuntime();
    const stage = new Stage();
    await using there = await testRuntime({ agents: { stage } });
    await say(here, 'chat', 'hello');
    const out = await exported(here, 'chat');

    expect(await refusal(there.runtime.import('chat', linesOf(out), { agent: 'nobody' }))).toBe(
      'agent.unknown',
    );
    const view = await there.runtime.import('chat', linesOf(out), { agent: 'stage' });

    expect(view.agent).toBe('stage');
    expect((await bodies(there, 'chat', 'session.created'))[0]?.agent).toBe('scripted');
  });
});
