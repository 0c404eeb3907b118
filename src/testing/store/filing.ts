// Filing: artifacts, stored under what is in them.
import { createHash } from 'node:crypto';
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, Trial } from './trial.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function filing({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'an artifact is named by its SHA-256 and read back whole or in part',
    Trial.run(open, async ({ store }) => {
      const bytes = bytesOf('0123456789');
      const digest = await store.files.put('default', bytes);

      expect(digest).toBe(digestOf(bytes));
      expect(textOf(await store.files.read('default', digest))).toBe('0123456789');
      expect(textOf(await store.files.read('default', digest, 2, 5))).toBe('234');
      expect(textOf(await store.files.read('default', digest, 8))).toBe('89');
      expect(textOf(await store.files.read('default', digest, 3, 3))).toBe('');
      for (const [start, end] of [
        [0, 11],
        [5, 4],
        [-1, 4],
        [11, 11],
      ]) {
        expect(await codeOf(store.files.read('default', digest, start, end))).toBe('artifact.range');
      }
    }),
  );

  test(
    'empty and large ones come back, too',
    Trial.run(open, async ({ store }) => {
      const large = new Uint8Array(3_500_000).map((_, index) => index % 251);
      const empty = await store.files.put('default', new Uint8Array(0));

      expect((await store.files.read('default', empty)).byteLength).toBe(0);
      const back = await store.files.read('default', await store.files.put('default', large));
      expect(digestOf(back)).toBe(digestOf(large));
    }),
  );

  test(
    'the same bytes put many times at once are there once they are there',
    Trial.run(open, async ({ store }) => {
      const digests = await Promise.all(
        Array.from({ length: 20 }, () => store.files.put('default', bytesOf('same'))),
      );

      expect(new Set(digests).size).toBe(1);
      expect(textOf(await store.files.read('default', digests[0] ?? ''))).toBe('same');
    }),
  );

  test(
    'projects do not see each other’s artifacts, and what was removed is gone',
    Trial.run(open, async ({ store }) => {
      const digest = await store.files.put('default', bytesOf('x'));
      await store.files.put('other', bytesOf('y'));

      expect(await codeOf(store.files.read('other', digest))).toBe('artifact.not_found');
      expect(await codeOf(store.files.read('Default', digest))).toBe('artifact.not_found');
      for (const name of ['', '..', '../../sojourn.db', digest.toUpperCase(), `${digest}0`]) {
        expect(await codeOf(store.files.read('default', name))).toBe('artifact.not_found');
      }
      await store.files.remove('default', digest);
      await store.files.remove('default', digest);
      expect(await codeOf(store.files.read('default', digest))).toBe('artifact.not_found');
    }),
  );
}
