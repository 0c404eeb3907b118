// One bill: sums that are the same from whichever end one adds, and what a budget leaves.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { Account, type Amounts, DIMENSIONS, noAmounts } from '../src/session/account.ts';
import { addUsd, usd } from '../src/wire/usd.ts';

const refused = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof SojournError) return error.message;
  }
  return '';
};

const accountOf = (id: string, parent?: Account): Account => {
  const account = new Account({ id, key: id, parent: parent?.id ?? null }, {}, { isWhole: true });
  if (parent !== undefined) account.link(parent);
  return account;
};

const spending = (account: Account, usdSpent: number): void => {
  account.own = { ...noAmounts(), usd: usdSpent };
};

test('a dime ten thousand times over is a thousand dollars', () => {
  let plain = 0;
  let sum = 0;
  for (let step = 0; step < 10_000; step += 1) {
    plain += 0.1;
    sum = addUsd(sum, 0.1);
  }

  expect(plain).not.toBe(1_000);
  expect(sum).toBe(1_000);
});

test('what thousands of steps have cost does not depend on their order or on how they are grouped', () => {
  const costs = fc.array(fc.integer({ min: 0, max: 2_000_000_000 }), { minLength: 1, maxLength: 3_000 });

  fc.assert(
    fc.property(costs, fc.integer({ min: 1, max: 50 }), (billionths, groupSize) => {
      const dollars = billionths.map((count) => usd(count / 1e9));
      const exact = billionths.reduce((sum, count) => sum + BigInt(count), 0n);

      const forwards = dollars.reduce(addUsd, 0);
      const backwards = dollars.toReversed().reduce(addUsd, 0);
      let grouped = 0;
      for (let at = 0; at < dollars.length; at += groupSize) {
        grouped = addUsd(grouped, dollars.slice(at, at + groupSize).reduce(addUsd, 0));
      }

      expect(BigInt(Math.round(forwards * 1e9))).toBe(exact);
      expect([backwards, grouped]).toEqual([forwards, forwards]);
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('what a child has spent is on the bill of all above it at once', () => {
  const top = accountOf('top');
  const child = accountOf('child', top);
  const grandchild = accountOf('grandchild', child);

  spending(grandchild, 0.1);
  spending(child, 0.2);
  spending(top, 0.3);

  expect([grandchild.spent.usd, child.spent.usd, top.spent.usd]).toEqual([0.1, 0.3, 0.6]);
});

test('what is kept for a child cannot be spent by another, and its rest comes back', () => {
  const top = accountOf('top');
  top.budget = { usd: 10 };
  const [kept, other] = [accountOf('kept', top), accountOf('other', top)];

  kept.keep('turn', { usd: 8 });
  const left = [other.left('usd')?.amount, kept.left('usd')?.amount];
  spending(kept, 3);
  const meanwhile = [other.left('usd')?.amount, kept.left('usd')?.amount, kept.reserved.usd];
  kept.release('turn');

  expect(left).toEqual([2, 8]);
  expect(meanwhile).toEqual([2, 5, 5]);
  expect(other.left('usd')?.amount).toBe(7);
});

test('more than is left is not kept, and the refusal says what is left and of whose budget', () => {
  const top = accountOf('top');
  const middle = accountOf('middle', top);
  const child = accountOf('child', middle);
  top.budget = { usd: 1, tokens: 100 };
  spending(top, 0.6);

  const said = refused(() => child.keep('turn', { usd: 0.5 }));

  expect(said).toContain('budget.exceeded: Asked for $0.5, and session top has $0.4 left');
  expect([child.budget, top.committed.usd]).toEqual([{}, 0.6]);
});

test('a child that is given a budget again has what it spent and that', () => {
  const top = accountOf('top');
  const child = accountOf('child', top);
  child.keep('one', { usd: 1 });
  spending(child, 0.25);
  child.release('one');

  child.keep('two', { usd: 1 });

  expect([child.budget.usd, child.left('usd')?.amount]).toEqual([1.25, 1]);
});

test('what is kept and taken back leaves no trace', () => {
  const top = accountOf('top');
  top.budget = { usd: 10 };
  const child = accountOf('child', top);
  child.budget = { usd: 2, tokens: 5 };

  const undo = child.keep('one', { usd: 3, turns: 1 });
  undo();

  expect(child.budget).toEqual({ usd: 2, tokens: 5 });
  expect(top.left('usd')?.amount).toBe(10);
});

test('the budget of a child that money is kept for is not raised beyond what is left', () => {
  const top = accountOf('top');
  top.budget = { usd: 10 };
  const child = accountOf('child', top);
  child.keep('one', { usd: 8 });

  const said = refused(() => (child.budget = { usd: 11 }));
  child.budget = { usd: 10 };

  expect(said).toContain('Asked for $3, and session top has $2 left');
  expect(top.left('usd')?.amount).toBe(0);
});

test('whatever is spent, kept, given back and moved, the sums are those of adding up anew', () => {
  const act = fc.record({
    act: fc.constantFrom('spend', 'keep', 'release', 'budget', 'move', 'undo'),
    which: fc.nat(9),
    other: fc.nat(9),
    amount: fc.integer({ min: 0, max: 5_000 }),
  });

  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const accounts = [accountOf('0')];
      for (let id = 1; id < 10; id += 1) accounts.push(accountOf(`${id}`, accounts[(id * 7) % id]));
      const undos: (() => void)[] = [];
      for (const { act, which, other, amount } of acts) {
        const [account, second] = [accounts[which], accounts[other]];
        if (account === undefined || second === undefined) continue;
        const given = { usd: amount / 1_000, tokens: amount };
        try {
          if (act === 'spend') account.own = { ...noAmounts(), ...given, usd: usd(given.usd) };
          if (act === 'keep') undos[which] = account.keep('turn', given);
          if (act === 'release') account.release('turn');
          if (act === 'budget') account.budget = amount % 3 === 0 ? {} : given;
          if (act === 'undo' && account.keeps('usd')) undos[which]?.();
          if (act === 'move' && ![...account.tree()].includes(second)) account.link(second);
        } catch (error) {
          if (!SojournError.is(error, 'budget.exceeded')) throw error;
        }
        expect(accounts.map(sumsOf)).toEqual(accounts.map(({ spent, committed }) => ({ spent, committed })));
      }
    }),
    { numRuns: 300, seed: 3 },
  );
});

/** Added up from its own and from its children. */
function sumsOf(account: Account): { spent: Amounts; committed: Amounts } {
  const [spent, committed] = [{ ...account.own }, { ...account.own }];
  for (const name of DIMENSIONS) {
    for (const child of account.children) {
      const level = child.keeps(name) ? (child.budget[name] ?? 0) : 0;
      spent[name] = usd(spent[name] + child.spent[name]);
      committed[name] = usd(committed[name] + Math.max(level, child.committed[name]));
    }
  }
  return { spent, committed };
}
