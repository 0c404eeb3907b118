// Listing: newest activity first, filtered, searched, in pages that skip nothing.
import type { NewSession, SessionFilter } from '../../store/store.ts';
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, texts, Trial } from './trial.ts';

type Tests = Pick<TestRunner, 'test' | 'expect'>;
type Filter = Partial<SessionFilter>;

async function keys(trial: Trial, filter: Filter = {}): Promise<string[]> {
  const { sessions } = await trial.store.list({ project: 'default', limit: 200, ...filter });
  return sessions.map(({ key }) => key);
}

/** All pages, one after the other. */
async function paged(trial: Trial, filter: Filter, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await trial.store.list({ project: 'default', limit, ...filter, ...(cursor && { cursor }) });
    found.push(...page.sessions.map(({ key }) => key));
    if (page.nextCursor === null) return found;
    cursor = page.nextCursor;
  }
}

/** More sessions than a store may treat as new, some of them moved again. */
async function town(trial: Trial): Promise<string[]> {
  const made = await Promise.all(
    texts(0, 899).map((key) => {
      const index = Number(key);
      const more: Partial<NewSession> = {
        agent: index % 3 === 0 ? 'scripted' : 'echo',
        owner: index % 5 === 0 ? 'alice' : null,
        maker: index % 7 === 0 ? 'token' : null,
        parent: index % 11 === 0 ? 'id of 0' : null,
        labels: index % 13 === 0 ? ['red', 'round'] : [],
        title: index % 17 === 0 ? 'Crème brûlée' : 'Soup',
        // Several share one moment.
        at: trial.clock.now() + Math.floor(index / 4),
      };
      return trial.make(key, more);
    }),
  );
  const at = trial.clock.now() + 1_000;
  await Promise.all(
    [5, 6, 500].map((index, moved) => {
      const { num, epoch } = made[index] ?? { num: 0, epoch: 0 };
      const row = { lastActiveAt: at + moved, state: 'closed' as const };
      return trial.write({ session: num, epoch, events: [], row });
    }),
  );
  const rest = texts(0, 899).filter((key) => !['5', '6', '500'].includes(key));
  return ['500', '6', '5', ...rest.reverse()];
}

export function listing({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'the newest activity comes first, and pages of any size skip and repeat nothing',
    Trial.run(open, async (trial) => {
      const all = await town(trial);

      expect(await keys(trial)).toEqual(all.slice(0, 200));
      expect(await paged(trial, {}, 200)).toEqual(all);
      expect((await paged(trial, {}, 7)).length).toBe(900);
    }),
  );

  test(
    'each filter finds its sessions, alone and with others, in the same order',
    Trial.run(open, async (trial) => {
      const all = await town(trial);
      const by = (divisor: number): string[] => all.filter((key) => Number(key) % divisor === 0);

      expect(await paged(trial, { agent: 'scripted' }, 90)).toEqual(by(3));
      expect(await paged(trial, { owner: 'alice' }, 90)).toEqual(by(5));
      expect(await paged(trial, { maker: 'token' }, 9)).toEqual(by(7));
      expect(await paged(trial, { parent: 'id of 0' }, 9)).toEqual(by(11));
      expect(await paged(trial, { label: 'round' }, 9)).toEqual(by(13));
      expect(await paged(trial, { q: 'creme' }, 9)).toEqual(by(17));
      expect(await keys(trial, { state: 'closed' })).toEqual(['500', '6', '5']);
      expect((await paged(trial, { state: 'idle' }, 200)).length).toBe(897);
      expect(await keys(trial, { agent: 'scripted', owner: 'alice', label: 'red' })).toEqual(by(3 * 5 * 13));
      expect(await keys(trial, { q: 'soup', agent: 'scripted', maker: 'token', state: 'idle' })).toEqual(
        by(21).filter((key) => Number(key) % 17 !== 0),
      );
      expect(await keys(trial, { q: 'brulee', label: 'red' })).toEqual(by(13 * 17));
      expect(await keys(trial, { agent: 'nobody' })).toEqual([]);
    }),
  );

  moving({ test, expect }, open);
  searching({ test, expect }, open);
}

function moving({ test, expect }: Tests, open: OpenStore): void {
  test(
    'sessions that move while someone pages are seen again, and none is skipped',
    Trial.run(open, async (trial) => {
      const all = await town(trial);
      const seen = new Set<string>();
      let at = trial.clock.now() + 10_000;
      for (let cursor: string | undefined, page = 0; ; page++) {
        const { sessions, nextCursor } = await trial.store.list({
          project: 'default',
          limit: 100,
          ...(cursor && { cursor }),
        });
        for (const { key } of sessions) seen.add(key);
        if (nextCursor === null) break;
        cursor = nextCursor;
        // One that was seen already moves to the front.
        const { num, epoch } = (await trial.store.byKey('default', all[page] ?? '')) ?? { num: 0, epoch: 0 };
        await trial.write({ session: num, epoch, events: [], row: { lastActiveAt: at++ } });
      }

      expect(seen.size).toBe(900);
    }),
  );

  test(
    'a session whose append failed stays where it was, and moves to the front with the next one',
    Trial.run(open, async (trial) => {
      const all = await town(trial);
      const { num, epoch } = (await trial.store.byKey('default', '10')) ?? { num: 0, epoch: 0 };
      const move = { session: num, epoch, events: [], row: { lastActiveAt: trial.clock.now() + 5_000 } };
      await codeOf(trial.append({ ...move, turns: [{ id: 'lost', acceptedEvent: 9 }] }));

      expect(await paged(trial, {}, 200)).toEqual(all);
      await trial.write({ ...move, claim: true });
      expect(await paged(trial, {}, 200)).toEqual(['10', ...all.filter((key) => key !== '10')]);
    }),
  );

  test(
    'projects do not see each other, and a cursor nobody gave out is refused',
    Trial.run(open, async (trial) => {
      await trial.make('mine');
      await trial.make('theirs', { project: 'other' });

      expect(await keys(trial)).toEqual(['mine']);
      expect(await keys(trial, { project: 'other', q: 'theirs' })).toEqual(['theirs']);
      expect(await keys(trial, { q: 'theirs' })).toEqual([]);
      for (const cursor of ['', 'x', '12', 'MTIgMzQgNTY', '🎉']) {
        expect(await codeOf(keys(trial, { cursor }))).toBe('cursor.invalid');
      }
    }),
  );

  test(
    'children are listed oldest first',
    Trial.run(open, async (trial) => {
      await town(trial);

      const children = await trial.store.children('id of 0');

      expect(children.slice(0, 3).map(({ key }) => key)).toEqual(['0', '11', '22']);
      expect(children.length).toBe(82);
      expect(await trial.store.children('id of 1')).toEqual([]);
    }),
  );
}

function searching({ test, expect }: Tests, open: OpenStore): void {
  test(
    'a search finds the beginnings of words in key, title and summary, without case and accents',
    Trial.run(open, async (trial) => {
      await trial.make('user:42/inbox', { title: 'Größe der Räder', summary: 'Ωmega and ПРИВЕТ' });
      await trial.make('b', { title: '東京都の天気', summary: 'rain 🎉' });
      const q = (text: string) => keys(trial, { q: text });

      for (const text of [
        'inbox',
        'INB',
        'user:42',
        '42/inbox',
        'rader',
        'groß',
        'ωme',
        'привет',
        'der rad',
      ]) {
        expect([text, await q(text)]).toEqual([text, ['user:42/inbox']]);
      }
      for (const text of ['東京', '天気', '京都の', 'rai', '🎉'])
        expect([text, await q(text)]).toEqual([text, ['b']]);
      for (const text of ['nbox', 'user:43', 'inbox rain', '"', '京東']) {
        expect([text, await q(text)]).toEqual([text, []]);
      }
      expect(await q('  ')).toEqual(['b', 'user:42/inbox']);
    }),
  );

  test(
    'nothing in a search is syntax',
    Trial.run(open, async (trial) => {
      await town(trial);

      for (const text of [
        'soup OR x',
        'soup*',
        'soup"',
        'NOT x',
        'a NEAR b',
        'col:soup',
        '(soup',
        "'; --",
        '^',
        '%',
      ]) {
        expect([text, (await keys(trial, { q: text })).length]).toEqual([
          text,
          ['soup*', 'soup"', '(soup'].includes(text) ? 200 : 0,
        ]);
      }
    }),
  );

  test(
    'a changed title is found under its new words only, and an erased session under none',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a', { title: 'old' });
      await town(trial);
      await trial.write({ session: num, epoch, events: [], row: { title: 'new' } });

      expect([await keys(trial, { q: 'old' }), await keys(trial, { q: 'new' })]).toEqual([[], ['a']]);
      await trial.store.erase(num);
      expect(await keys(trial, { q: 'new' })).toEqual([]);
    }),
  );
}
