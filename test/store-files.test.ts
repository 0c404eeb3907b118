// Artifacts as files: what is done about changed, exchanged, half written and too large ones.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { codeOf, StoreFolder } from './store-folder.ts';

const at = new StoreFolder();

describe('artifacts', () => {
  const bytes = Buffer.from('what was put');
  const pathOf = (digest: string): string => {
    const artifacts = join(at.folder, 'artifacts');
    const project = readdirSync(artifacts).find((name) => name.length === 64) ?? '';
    return join(artifacts, project, digest.slice(0, 2), digest.slice(2));
  };

  test('a changed or exchanged file is never read as the artifact, and putting it again heals it', async () => {
    const { files } = await at.open();
    const digest = await files.put('default', bytes);
    const path = pathOf(digest);
    expect(statSync(path).mode & 0o077).toBe(0);

    writeFileSync(path, 'what was PUT');
    expect(await codeOf(files.read('default', digest))).toBe('store.damaged');
    rmSync(path);
    writeFileSync(join(at.above, 'secret'), bytes);
    symlinkSync(join(at.above, 'secret'), path);
    expect(await codeOf(files.read('default', digest))).toBe('store.damaged');
    rmSync(path);
    mkdirSync(path);
    expect(await codeOf(files.read('default', digest))).toBe('store.damaged');
    rmSync(path, { recursive: true });
    expect(await codeOf(files.read('default', digest))).toBe('artifact.not_found');
    await files.put('default', bytes);
    expect(Buffer.from(await files.read('default', digest)).equals(bytes)).toBe(true);
  });

  test('of a changed file no part is given out either, however often it was read before', async () => {
    const { files } = await at.open();
    const digest = await files.put('default', bytes);
    const path = pathOf(digest);
    const read = (start?: number, end?: number): Promise<Uint8Array> =>
      files.read('default', digest, start, end);
    expect(Buffer.from(await read(5, 8)).toString()).toBe('was');
    expect(Buffer.from(await read(0, 0)).toString()).toBe('');

    writeFileSync(path, 'what was PUT');

    for (const [start, end] of [
      [0, 4],
      [5, 8],
      [0, 0],
    ])
      expect(await codeOf(read(start, end))).toBe('store.damaged');
    truncateSync(path, 6);
    expect(await codeOf(read(0, 12))).toBe('store.damaged');
    await files.put('default', bytes);
    expect(Buffer.from(await read(9)).toString()).toBe('put');
    expect(await codeOf(read(0, 13))).toBe('artifact.range');
  });

  test('many parts of a file of which nothing was read yet, at the same time: each is refused', async () => {
    const large = Buffer.alloc(3_000_000, 'slices ');
    const first = await at.open();
    const digest = await first.files.put('default', large);
    await first.close();
    const { files } = await at.open();
    const starts = Array.from({ length: 20 }, (_, index) => index * 100_000);
    const parts = (): Promise<string[]> =>
      Promise.all(starts.map((start) => codeOf(files.read('default', digest, start, start + 7))));

    expect(Buffer.from(await files.read('default', digest, 7, 14)).toString()).toBe('slices ');
    large.write('X', 2_999_999);
    writeFileSync(pathOf(digest), large);

    expect(new Set(await parts())).toEqual(new Set(['store.damaged']));
    await files.put('default', Buffer.alloc(3_000_000, 'slices '));
    expect(new Set(await parts())).toEqual(new Set(['none']));
  });

  test('a folder on the way that is a link is not followed', async () => {
    const { files } = await at.open();
    const digest = await files.put('default', bytes);
    const project = join(pathOf(digest), '..', '..');
    renameSync(project, join(at.above, 'moved'));
    symlinkSync(join(at.above, 'moved'), project);

    expect(await codeOf(files.read('default', digest))).toBe('store.damaged');
    expect(await codeOf(files.put('default', bytes))).toBe('store.damaged');
  });

  test('too large ones are refused, and what a crash left half written is removed', async () => {
    const store = await at.open({ artifactBytesMax: 11 });
    expect(await codeOf(store.files.put('default', bytes))).toBe('artifact.too_large');
    await store.close();
    const half = join(at.folder, 'artifacts', 'put-7.tmp');
    writeFileSync(half, 'half');

    await at.open();

    expect(existsSync(half)).toBe(false);
  });
});
