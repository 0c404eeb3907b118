// Owning: the fence, the claim, the poison, and what is done only once (S1, S3 of the contract).
import type { Appended, OnceRow } from '../../store/store.ts';
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, event, texts, Trial, type Owned } from './trial.ts';

type Tests = Pick<TestRunner, 'test' | 'expect'>;

/** An append that no store can write: it names an event it does not have. */
const unwritable = ({ num, epoch }: Owned) => ({
  session: num,
  epoch,
  events: [event('lost')],
  turns: [{ id: 'lost', acceptedEvent: 9 }],
});

const claim = ({ num, epoch }: Owned, ...said: string[]) => ({
  session: num,
  epoch,
  claim: true,
  events: said.map((text) => event(text)),
});

export function owning({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'a claim moves the epoch, and what the old owner appends after it is refused and not written',
    Trial.run(open, async (trial) => {
      const old = await trial.make('a', {}, ['one']);

      const claimed = await trial.write(claim(old, 'mine now'));
      const late = await codeOf(trial.say(old, 'late'));

      expect(claimed).toEqual({ kind: 'appended', num: old.num, epoch: old.epoch + 1, headSeq: 2 });
      expect(late).toBe('log.fenced');
      expect(await codeOf(trial.say({ ...old, epoch: old.epoch + 2 }, 'early'))).toBe('log.fenced');
      expect(await trial.say(claimed, 'three')).toBe(3);
      expect(await trial.texts(old.num)).toEqual(['one', 'mine now', 'three']);
    }),
  );

  test(
    'of two that claim at once one gets the session',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');

      const both = await Promise.allSettled([
        trial.write(claim(owned, 'first')),
        trial.write(claim(owned, 'second')),
      ]);

      expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect(await trial.texts(owned.num)).toEqual(['first']);
    }),
  );

  test(
    'a refused owner changes no row',
    Trial.run(open, async (trial) => {
      const old = await trial.make('a');
      await trial.write(claim(old));

      const refused = trial.write({
        session: old.num,
        epoch: old.epoch,
        events: [],
        row: { title: 'stale' },
        turns: [{ id: 'stale' }],
        snapshot: 'stale',
      });

      expect(await codeOf(refused)).toBe('log.fenced');
      expect((await trial.store.byKey('default', 'a'))?.title).toBe(null);
      expect(await trial.store.turn(old.num, 'stale')).toBe(null);
      expect(await trial.store.snapshot(old.num)).toBe(null);
    }),
  );

  poisoning({ test, expect }, open);
  onlyOnce({ test, expect }, open);
}

function poisoning({ test, expect }: Tests, open: OpenStore): void {
  test(
    'after a failed append everything behind it is refused, so that the log has no hole',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');

      const codes = await Promise.all([
        codeOf(trial.say(owned, 'before')),
        codeOf(trial.append(unwritable(owned))),
        codeOf(trial.say(owned, 'behind')),
        codeOf(trial.say(owned, 'behind that')),
      ]);
      const later = await codeOf(trial.say(owned, 'much later'));

      expect(codes[0]).toBe('none');
      expect(codes[1] === 'none').toBe(false);
      expect([...codes.slice(2), later]).toEqual(['log.poisoned', 'log.poisoned', 'log.poisoned']);
      expect(await trial.texts(owned.num)).toEqual(['before']);
    }),
  );

  test(
    'a claim lifts the poison, for its own epoch only',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');
      await codeOf(trial.append(unwritable(owned)));

      const [claimed, stale] = await Promise.all([
        trial.write(claim(owned, 'again')),
        codeOf(trial.say(owned, 'still the old epoch')),
      ]);

      expect(stale).toBe('log.fenced');
      expect(await trial.say(claimed, 'works')).toBe(2);
      expect(await trial.texts(owned.num)).toEqual(['again', 'works']);
    }),
  );

  test(
    'poison stays with its session',
    Trial.run(open, async (trial) => {
      const ill = await trial.make('ill');
      const well = await trial.make('well');
      await codeOf(trial.append(unwritable(ill)));

      expect(await trial.say(well, 'fine')).toBe(1);
      expect(await codeOf(trial.say(ill, 'not fine'))).toBe('log.poisoned');
    }),
  );
}

function onlyOnce({ test, expect }: Tests, open: OpenStore): void {
  const once = { key: 'k', hash: 'h', receipt: '{"r":1}', expiresAt: Number.MAX_SAFE_INTEGER };

  test(
    'of a hundred appends with one key at once one is written, and the others get its row',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a', {}, ['zero']);

      const outcomes = await Promise.all(
        texts(1, 100).map((text) =>
          trial.append({ session: num, epoch, events: [event(text)], row: { title: text }, once }),
        ),
      );

      const row: OnceRow = { ...once, seq: 2 };
      const expected: Appended[] = [{ kind: 'appended', num, epoch, headSeq: 2 }];
      for (let index = 1; index < 100; index++) expected.push({ kind: 'once', row });
      expect(outcomes).toEqual(expected);
      expect(await trial.texts(num)).toEqual(['zero', '1']);
      expect((await trial.store.byKey('default', 'a'))?.title).toBe('1');
    }),
  );

  test(
    'meeting a key that is there poisons nothing',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');
      await trial.append({ session: owned.num, epoch: owned.epoch, events: [], once });
      await trial.append({ session: owned.num, epoch: owned.epoch, events: [event('x')], once });

      expect(await trial.say(owned, 'goes on')).toBe(1);
    }),
  );

  test(
    'a key is free again when it has expired, and forgotten ones are counted',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      const expiresAt = trial.clock.now() + 1_000;
      await trial.write({ session: num, epoch, events: [event('1')], once: { ...once, expiresAt } });
      await trial.clock.advance(999);
      const alive = await trial.append({ session: num, epoch, events: [event('2')], once });
      await trial.clock.advance(1);

      expect(alive.kind).toBe('once');
      expect(await trial.store.once(num, 'k', trial.clock.now())).toBe(null);
      await trial.write({ session: num, epoch, events: [event('3')], once: { ...once, expiresAt } });
      expect(await trial.store.forgetExpired(expiresAt - 1, 10)).toBe(0);
      expect(await trial.store.forgetExpired(expiresAt, 10)).toBe(1);
    }),
  );

  test(
    'a key belongs to its session',
    Trial.run(open, async (trial) => {
      const a = await trial.make('a');
      const b = await trial.make('b');
      await trial.write({ session: a.num, epoch: a.epoch, events: [event('a')], once });

      const other = await trial.append({ session: b.num, epoch: b.epoch, events: [event('b')], once });

      expect(other.kind).toBe('appended');
      expect((await trial.store.once(b.num, 'k', 0))?.seq).toBe(1);
    }),
  );

  test(
    'a failed append does not use up its key',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');
      await codeOf(trial.append({ ...unwritable(owned), once }));

      const claimed = await trial.append({ ...claim(owned, 'x'), once });

      expect(claimed.kind).toBe('appended');
    }),
  );
}
