// Bugs: what the simulation must notice. Each is planted into the runtime as it is, and taken out again.
import { Account, plus } from '../../src/session/account.ts';
import { Bill } from '../../src/runtime/bill.ts';
import { ChildDelivery } from '../../src/runtime/child-delivery.ts';
import { ChildEnding } from '../../src/runtime/child-ending.ts';
import { ChildResults } from '../../src/runtime/child-results.ts';
import { Session } from '../../src/session/session.ts';
import { Spending } from '../../src/session/spending.ts';
import { MemoryDisk } from '../../src/testing/memory-store.ts';
import type { Size } from './plan.ts';
import { CRASHING, SMALL } from './simulation.ts';

export interface Bug {
  /** What is wrong. */
  readonly name: string;
  /** Who would meet it. */
  readonly size: Size;
  /** Answers the call that takes it out again. */
  readonly plant: () => () => void;
}

function replaced<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  make: (original: Target[Name]) => Target[Name],
): () => void {
  const original = target[name];
  target[name] = make(original);
  return () => {
    target[name] = original;
  };
}

export const BUGS: readonly Bug[] = [
  {
    name: 'nothing is kept for a child: what it was given is spent by others',
    size: SMALL,
    plant: () => replaced(Account.prototype, 'keeps', () => () => false),
  },
  {
    name: 'only the budget of the session itself is looked at, and only what it spent itself',
    size: SMALL,
    plant: () =>
      replaced(
        Account.prototype,
        'left',
        () =>
          function (this: Account, name) {
            const most = this.budget[name];
            return most === undefined
              ? undefined
              : { amount: plus(name, most, -this.own[name]), account: this };
          },
      ),
  },
  {
    name: 'the end of a child is told twice: no once-key stops it',
    size: SMALL,
    plant: () => {
      const twice = replaced(
        ChildDelivery.prototype,
        'deliver',
        (original) =>
          async function (this: ChildDelivery, child, turn) {
            await original.call(this, child, turn);
            return original.call(this, child, turn);
          },
      );
      const unstopped = replaced(
        MemoryDisk.prototype,
        'apply',
        (original) =>
          function (this: MemoryDisk, { once: _once, ...append }, now) {
            return original.call(this, append, now);
          },
      );
      return () => {
        twice();
        unstopped();
      };
    },
  },
  {
    name: 'a cancel does not reach the children',
    size: SMALL,
    plant: () => {
      const stop = replaced(ChildEnding.prototype, 'stop', () => () => Promise.resolve());
      const soon = replaced(ChildEnding.prototype, 'stopSoon', () => () => undefined);
      return () => {
        stop();
        soon();
      };
    },
  },
  {
    name: 'a close does not reach the children',
    size: SMALL,
    plant: () => replaced(ChildEnding.prototype, 'end', () => () => Promise.resolve()),
  },
  {
    name: 'a cancel is answered and lost: nothing is stopped',
    size: SMALL,
    plant: () =>
      replaced(
        Session.prototype,
        'cancel',
        () => () => Promise.resolve({ outcome: 'cancelled', changed: true }),
      ),
  },
  {
    name: 'what is kept for a child never comes back',
    size: SMALL,
    plant: () => replaced(Account.prototype, 'release', () => () => undefined),
  },
  {
    name: 'what a crashed attempt spent is forgotten',
    size: CRASHING,
    plant: () => replaced(Spending.prototype, 'recall', () => () => undefined),
  },
  {
    name: 'a result is not told to whoever waits for it',
    size: SMALL,
    plant: () => replaced(ChildResults.prototype, 'tell', () => () => undefined),
  },
  {
    name: 'budgets above a session are not read when it comes back',
    size: CRASHING,
    plant: () => replaced(Bill.prototype, 'open', () => () => undefined),
  },
];
