// Artifacts as files: what is done about changed, exchanged, half written and too large ones.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
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
