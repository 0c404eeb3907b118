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
      expect(await store.files.remove('default', digest)).toBe(true);
      expect(await store.files.remove('default', digest)).toBe(true);
      expect(await codeOf(store.files.read('default', digest))).toBe('artifact.not_found');
    }),
  );

  test(
    'the files of a project are listed page by page, each with its age',
    Trial.run(open, async ({ store }) => {
      const texts = ['a', 'bb', 'ccc', 'dddd', 'eeeee'];
      const digests = await Promise.all(texts.map((text) => store.files.put('default', bytesOf(text))));
      await store.files.put('other', bytesOf('of another'));

      const listed: { digest: string; bytes: number; putAt: number }[] = [];
      for (let page = await store.files.list('default', '', 2); page.length > 0;) {
        listed.push(...page);
        page = await store.files.list('default', listed.at(-1)?.digest ?? '', 2);
      }

      expect(listed.map(({ digest }) => digest)).toEqual(digests.toSorted());
      expect(listed.map(({ bytes }) => bytes).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
      expect(listed.every(({ putAt }) => putAt > 0)).toBe(true);
      expect(await store.files.list('none', '', 2)).toEqual([]);
    }),
  );

  test(
    'files of projects that nobody knows are removed once they are old enough, and no others',
    Trial.run(open, async ({ store }) => {
      const digest = await store.files.put('default', bytesOf('kept'));
      const strange = await store.files.put('strange', bytesOf('gone'));
      const [file] = await store.files.list('strange', '', 1);
      const putAt = file?.putAt ?? 0;

      expect(await store.files.removeStrangers(['default'], putAt, 10)).toBe(0);
      expect(await store.files.removeStrangers(['default'], putAt + 1, 10)).toBe(1);
      expect(textOf(await store.files.read('default', digest))).toBe('kept');
      expect(await codeOf(store.files.read('strange', strange))).toBe('artifact.not_found');
    }),
  );

  test(
    'what sessions refer to is told and summed, for a session and for a project',
    Trial.run(open, async (trial) => {
      const { store } = trial;
      const artifact = (name: string, bytes: number) => ({
        digest: digestOf(bytesOf(name)),
        bytes,
        mediaType: 'text/plain',
        name: null,
        at: 1,
      });
      const shared = artifact('shared', 100);
      const { num, epoch } = await trial.make('a');
      await trial.write({ session: num, epoch, events: [], artifacts: [shared, artifact('own', 20)] });
      const other = await trial.make('b');
      await trial.write({ session: other.num, epoch: other.epoch, events: [], artifacts: [shared] });
      const away = await trial.make('c', { project: 'other' });
      await trial.write({
        session: away.num,
        epoch: away.epoch,
        events: [],
        artifacts: [artifact('away', 3)],
      });
      const digests = ['shared', 'own', 'away', 'none'].map((name) => digestOf(bytesOf(name)));

      expect(await Promise.all([num, other.num, 9_999].map((one) => store.artifactBytes(one)))).toEqual([
        120, 100, 0,
      ]);
      expect(await store.artifactBytesOf('default')).toBe(120);
      expect(await store.artifactBytesOf('none')).toBe(0);
      expect(await store.referred('default', digests)).toEqual(digests.slice(0, 2));
      expect(await store.artifactProjects()).toEqual(['default', 'other']);
      await store.erase(num);
      expect(await store.artifactBytesOf('default')).toBe(100);
    }),
  );
}
