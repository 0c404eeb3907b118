// Opening again: what a store keeps when it is closed, and what a backup holds.
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, event, texts, Trial } from './trial.ts';

export function reopening({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'everything is there after closing and opening again, and numbers go on',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a', { title: 'Title', labels: ['x'] }, ['one']);
      const digest = await trial.store.files.put('default', new Uint8Array([1, 2, 3]));
      const before = await trial.store.byKey('default', 'a');
      await trial.reopen();

      expect(await trial.store.byKey('default', 'a')).toEqual(before);
      expect(await trial.say(owned, 'two')).toBe(2);
      expect(await trial.texts(owned.num)).toEqual(['one', 'two']);
      expect([...(await trial.store.files.read('default', digest))]).toEqual([1, 2, 3]);
      const { sessions } = await trial.store.list({ project: 'default', label: 'x', q: 'title', limit: 1 });
      expect(sessions.map(({ num }) => num)).toEqual([owned.num]);
    }),
  );

  test(
    'a close writes what was handed over, refuses what comes later, and may be called twice',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');
      const handed = texts(1, 100).map((text) => trial.say(owned, text));
      const closing = Promise.all([trial.store.close(), trial.store.close()]);
      const late = trial.store.close().then(() => codeOf(trial.say(owned, 'late')));

      expect((await Promise.all(handed)).at(-1)).toBe(100);
      await closing;
      expect((await late) === 'none').toBe(false);
      await trial.reopen();
      expect(await trial.texts(owned.num)).toEqual(texts(1, 100));
    }),
  );

  test(
    'a backup taken under load opens as a store, whole up to some moment',
    Trial.run(open, async (trial) => {
      const sessions = await Promise.all(texts(1, 8).map((key) => trial.make(key)));
      const digest = await trial.store.files.put('default', new Uint8Array([7]));
      for (const owned of sessions) await trial.say(owned, ...texts(1, 50));
      const folder = `${trial.folder}-copy`;
      const progress: [number, number][] = [];

      const backup = trial.store.backup(folder, (done, all) => progress.push([done, all]));
      const meanwhile = texts(51, 250).map((text) =>
        Promise.all(sessions.map((owned) => trial.say(owned, text))),
      );
      await Promise.all([backup, ...meanwhile]);

      const [done, all] = progress.at(-1) ?? [0, 1];
      expect(done === all).toBe(true);
      expect(await codeOf(trial.store.backup(folder))).toBe('config.invalid');
      const copy = await trial.openCopy(folder);
      for (const { num } of sessions) {
        const log = await copy.read(num, 0, { eventsMax: 1_000, bytesMax: 1_000_000 });
        expect(log.length >= 50 && log.length <= 250).toBe(true);
        expect(log.map(({ body }) => body)).toEqual(texts(1, log.length).map((text) => JSON.stringify(text)));
      }
      expect([...(await copy.files.read('default', digest))]).toEqual([7]);
      const [first] = sessions;
      const appended = await copy.append(() => ({
        session: first?.num ?? 0,
        epoch: first?.epoch ?? 0,
        claim: true,
        events: [event('in the copy')],
      }));
      expect(appended.kind).toBe('appended');
      await copy.close();
    }),
  );

  test(
    'the figures count what was written',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a', {}, ['1', '2']);
      await trial.say(owned, '3');

      const { commits, appends, events, pending, fileBytes } = trial.store.stats();

      expect([appends, events, pending]).toEqual([2, 3, 0]);
      expect(commits >= 1 && fileBytes > 0).toBe(true);
    }),
  );
}
