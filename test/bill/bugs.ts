// Bugs: what the simulation must notice. Each is planted into the runtime as it is, and taken out again.
import { Account, plus } from '../../src/session/account.ts';
import { Bill } from '../../src/runtime/bill.ts';
import { ChildDelivery } from '../../src/runtime/child-delivery.ts';
import { ChildEnding } from '../../src/runtime/child-ending.ts';
import { ChildResults } from '../../src/runtime/child-results.ts';
import { Spending } from '../../src/session/spending.ts';
import { Turn } from '../../src/session/turn.ts';
import { MemoryDisk } from '../../src/testing/memory-store.ts';

export interface Bug {
  /** What is wrong. */
  readonly name: string;
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
    plant: () => replaced(Account.prototype, 'keeps', () => () => false),
  },
  {
    name: 'only the budget of the session itself is looked at, and only what it spent itself',
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
    name: 'a cancel that meets a turn that waits is lost',
    plant: () =>
      replaced(
        Turn.prototype,
        'stopFor',
        (original) =>
          function (this: Turn, stop) {
            return this.state.kind === 'running' && stop.outcome === 'cancelled'
              ? false
              : original.call(this, stop);
          },
      ),
  },
  {
    name: 'what is kept for a child never comes back',
    plant: () => replaced(Account.prototype, 'release', () => () => undefined),
  },
  {
    name: 'what a crashed attempt spent is forgotten',
    plant: () => replaced(Spending.prototype, 'recall', () => () => undefined),
  },
  {
    name: 'a result is not told to whoever waits for it',
    plant: () => replaced(ChildResults.prototype, 'tell', () => () => undefined),
  },
  {
    name: 'budgets above a session are not read when it comes back',
    plant: () => replaced(Bill.prototype, 'open', () => () => undefined),
  },
];
