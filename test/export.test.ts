// Exports: a session as one file that another installation takes back, byte for byte.
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { exported, left, linesOf, lived, MiB, NOTHING, said, taken } from './export-scene.ts';
import { refusal, say } from './session-stage.ts';

describe('an export', () => {
  test('taken elsewhere and exported again is the same, byte for byte, whatever the session is called there', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await lived(here, 'chat');
    await there.clock.advance(86_400_000);
    await say(there, 'another', '/big 9000');

    const out = await exported(here, 'chat');
    const view = await taken(there, 'another name', out);
    const again = await exported(there, 'another name');

    expect(createHash('sha256').update(again).digest('hex')).toBe(
      createHash('sha256').update(out).digest('hex'),
    );
    expect(out).not.toContain((await here.runtime.session('chat')).id.slice(0, 18));
    const artifacts = (await here.runtime.artifacts('chat')).length;
    expect(artifacts).toBeGreaterThanOrEqual(4);
    expect(view).toMatchObject({ key: 'another name', title: 'Mine', labels: ['a', 'b'] });
    expect(view.imported).toMatchObject({
      format: 'sojourn',
      turns: 5,
      calls: 2,
      events: view.headSeq,
      artifacts,
      notUnderstood: { count: 0 },
    });
    expect((await say(there, 'another name', '/recall 1')).text).toBe('remember me');
  });

  test('leaves the working set as it is, with the digests in it', async () => {
    const limits = { contextTokens: 4_000 };
    await using here = await testRuntime({ limits });
    await using there = await testRuntime({ limits });
    await lived(here, 'chat');
    for (let turn = 0; turn < 6; turn++) await say(here, 'chat', '/big 5000');
    await here.runtime.evict('chat'); // What was under way in the background is over.

    await taken(there, 'chat', await exported(here, 'chat'));

    const { session: _here, ...before } = await here.runtime.context('chat');
    expect(before.compactions.count).toBeGreaterThan(0);
    const { session: _there, ...after } = await there.runtime.context('chat');
    expect(after).toEqual(before);
  });

  test('has no line of more than a mebibyte and a half, however large an artifact is', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await say(here, 'chat', '/big 5000000');
    const out = await exported(here, 'chat');

    await taken(there, 'chat', out);

    const lengths = out.split('\n').map((line) => line.length);
    expect(out.length).toBeGreaterThan(5_000_000);
    expect(Math.max(...lengths)).toBeLessThan(1.5 * MiB);
    const [artifact] = await there.runtime.artifacts('chat');
    const { bytes } = await there.runtime.artifact('chat', artifact?.id ?? '');
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(artifact?.id);
    expect(bytes.byteLength).toBe(5_000_000);
  });

  test('of an earlier version, with an artifact on one line and the id of the session, is taken', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    await lived(here, 'chat');
    const [head = '', ...lines] = (await exported(here, 'chat')).trimEnd().split('\n');
    const parsed = JSON.parse(head) as { sojourn: number; session: object };
    const old = [JSON.stringify({ sojourn: 1, session: { id: 'an id', ...parsed.session } })];
    const whole = new Map<
      string,
      { artifact: string; mediaType: string; name: string | null; data: Buffer[] }
    >();
    for (const line of lines) {
      const piece = JSON.parse(line) as Record<string, string> & { name: null };
      const { artifact, mediaType = '', name, data = '' } = piece;
      if (artifact === undefined) {
        if (!line.startsWith('{"end"')) old.push(line);
        continue;
      }
      const known = whole.get(artifact) ?? { artifact, mediaType, name, data: [] };
      known.data.push(Buffer.from(data, 'base64'));
      whole.set(artifact, known);
    }
    for (const { data, ...rest } of whole.values())
      old.push(JSON.stringify({ ...rest, data: Buffer.concat(data).toString('base64') }));
    old.push(lines.at(-1) ?? '');

    await taken(there, 'chat', `${old.join('\n')}\n`);

    expect(await exported(there, 'chat')).toBe(await exported(here, 'chat'));
  });

  test('of an earlier version may have long lines for artifacts only', async () => {
    await using world = await testRuntime();
    const head = JSON.stringify({ sojourn: 1, session: { agent: 'scripted' } });

    expect(await said(taken(world, 'a', `${head}\n${'['.repeat(9 * MiB)}`))).toBe(
      'input.too_large: Line 2 is over 8388608 bytes',
    );
  });

  test('is refused by a reader before its last line where a file does not hold what was put there', async () => {
    await using world = await testRuntime();
    await say(world, 'chat', '/big 900000');
    const [artifact] = await world.runtime.artifacts('chat');
    const out = await world.runtime.export('chat');
    const files = readdirSync(join(world.folder, 'artifacts'), { recursive: true, withFileTypes: true });
    const file = files.find((entry) => entry.isFile());
    writeFileSync(join(file?.parentPath ?? '', file?.name ?? ''), 'y'.repeat(900_000));

    let lines = '';
    const reading = (async () => {
      for await (const line of out) lines += line;
    })();

    expect(await said(reading)).toBe(
      `store.damaged: Artifact ${artifact?.id} does not hold what was put there`,
    );
    expect(lines).not.toContain('"end"');
    const told = world.logged.find(({ event }) => event === 'export.failed');
    expect(told).toMatchObject({ level: 'error', fields: { error: { code: 'store.damaged' } } });
  });

  test('of an internal session is internal again, for those who may', async () => {
    await using world = await testRuntime();
    await world.runtime.open('inner', { internal: true });
    const out = await exported(world, 'inner');
    const sender = { ...hostCaller(), token: 't', scopes: new Set(['send', 'read'] as const) };

    expect(await refusal(world.runtime.import('copy', linesOf(out), {}, sender))).toBe('auth.scope');
    await taken(world, 'copy', out);
    expect(await exported(world, 'copy')).toBe(out);
  });
});

describe('a fork', () => {
  test('has the artifacts of its session, and those of nobody else go when both are erased', async () => {
    await using world = await testRuntime();
    await say(world, 'chat', '/big 20000');

    await world.runtime.fork('chat', { key: 'fork' });
    const [artifact] = await world.runtime.artifacts('fork');
    await world.runtime.close('chat', { erase: true });
    const { total } = await world.runtime.artifact('fork', artifact?.id ?? '');
    await world.runtime.close('fork', { erase: true });

    expect(total).toBe(20_000);
    expect(await left(world)).toEqual(NOTHING);
  });

  test('needs room for what it refers to, as any session does', async () => {
    await using world = await testRuntime();
    await say(world, 'chat', '/big 20000');
    await world.restart({ limits: { artifactBytesPerSessionMax: 10_000 } });

    expect(await refusal(world.runtime.fork('chat', { key: 'fork' }))).toBe('artifact.quota');
    expect((await left(world)).sessions).toEqual(['chat']);
  });
});
