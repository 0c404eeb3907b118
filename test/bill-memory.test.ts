// One bill: what of it is in memory, and for how long.
import { expect, test } from 'vitest';
import { silentLogger } from '../src/kernel/logger.ts';
import { Bill } from '../src/runtime/bill.ts';
import { Spending } from '../src/session/spending.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import type { Budget } from '../src/wire/session.ts';

const world = async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const bill = new Bill({ store, clock, logger: silentLogger, prices: {} });
  const prices = {};
  const limits = { toolCallsMax: 1 };
  /** A session comes into memory, and spends a dollar of its own. */
  const enter = async (id: string, parent: string | null, budget: Budget = {}): Promise<Spending> => {
    const named = {
      id,
      project: 'default',
      key: id,
      agent: 'any',
      owner: null,
      maker: null,
      channel: null,
      parent,
    };
    const text = { title: null, summary: null, labels: [], metadata: '{}', budget: JSON.stringify(budget) };
    const session = { ...named, ...text, at: 0 };
    await store.append(() => ({ session, epoch: 0, events: [], row: { costUsd: 1 } }));
    const row = await store.byId(id);
    if (row === null) throw new Error(`${id} was not made`);
    const spending = new Spending({
      row,
      limits,
      prices,
      clock,
      account: bill.account(row, false),
      watch: bill,
    });
    bill.enter(spending);
    await bill.open(spending.account);
    return spending;
  };
  return { bill, enter };
};

test('a session that has no budget may have any number of children in its life', async () => {
  const { bill, enter } = await world();
  const top = await enter('top', null);

  for (let number = 0; number < 100; number += 1) bill.leave(await enter(`${number}`, 'top'));

  expect(bill.size).toBe(1);
  top.budget = { usd: 500 };
  await bill.open(top.account);
  expect([top.account.spent.usd, top.account.left('usd')?.amount]).toEqual([101, 399]);
});

test('under a budget the bill of a tree stays while one of its sessions does, and goes with the last', async () => {
  const { bill, enter } = await world();
  const top = await enter('top', null, { usd: 10 });
  const child = await enter('child', 'top');

  bill.leave(top);
  const alone = [bill.size, child.account.left('usd')?.amount];
  bill.leave(child);

  expect(alone).toEqual([2, 8]);
  expect(bill.size).toBe(0);
});

test('a child that comes back finds the budgets above it, though nobody there is in memory', async () => {
  const { bill, enter } = await world();
  bill.leave(await enter('top', null, { usd: 10 }));
  bill.leave(await enter('middle', 'top'));
  bill.leave(await enter('other', 'middle'));

  const child = await enter('child', 'middle');

  expect(child.account.left('usd')?.amount).toBe(6);
});
