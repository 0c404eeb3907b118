// Script: what callers, operators and bad luck do, in an order that fast-check makes up.
import fc from 'fast-check';
import { POLICIES } from '../../src/wire/turn.ts';
import { type Op, OPS } from './agents.ts';
import { look, watch } from './onlookers.ts';
import type { Key, Setting } from './setting.ts';
import type { World } from './world.ts';

export interface Step {
  act: string;
  /** Picks a key, a policy, a victim. */
  n: number;
  ops: string;
  /** How many things happen before the next act. */
  steps: number;
}

type Act = (world: World, key: Key, step: Step) => void | Promise<void>;

const policyOf = ({ n }: Step) => POLICIES[n % POLICIES.length] ?? 'queue';

const ACTS: Record<string, Act> = {
  send: ({ ledger, process }, key, step) => {
    const deadline = step.n % 11 === 0 ? { deadlineMs: 1 + (step.n % 20) } : {};
    ledger.send(process, key, { ops: step.ops, policy: policyOf(step), once: step.n % 3 === 0, ...deadline });
  },
  resend: ({ ledger, process }, _, { n }) => {
    const keyed = ledger.sent.filter(({ once }) => once !== undefined);
    const sent = keyed[n % keyed.length];
    if (sent !== undefined) process.watch(`resend ${sent.name}`, ledger.try(process, sent));
  },
  cancelTurn: ({ ledger, process }, _, { n }) => {
    const acked = ledger.sent.filter(({ acks }) => acks.length > 0);
    const sent = acked.at(-1 - (n % 4));
    const turn = sent?.acks[0]?.turn;
    if (sent !== undefined && turn !== undefined)
      process.watch(`cancel ${turn}`, ledger.cancelTurn(process, sent.key, turn));
  },
  cancelAll: ({ ledger, process }, key) => process.watch(`cancel ${key}`, ledger.cancelAll(process, key)),
  close: ({ ledger, process }, key) => process.watch(`close ${key}`, ledger.close(process, key)),
  dirty: ({ ledger, process }, key, { n }) =>
    process.watch('dirty', ledger.dirty(process, n % 3 === 0 ? undefined : key)),
  evict: ({ ledger, process }, key) => process.watch(`evict ${key}`, ledger.evict(process, key)),
  answer: ({ ledger, process }, _, { n }) => process.watch('answer', ledger.answer(process, n)),
  look: ({ process }, key, { n }) => process.watch('look', look(process, key, n)),
  watch: ({ ledger, process }, _, { n }) => {
    const acked = ledger.sent.filter(({ acks }) => acks.length > 0);
    const sent = acked.at(-1 - (n % 3));
    if (sent !== undefined) process.watch(`watch ${sent.name}`, watch(process, sent, n % 2 === 0));
  },
  come: ({ readers, process }, _, { n }) => readers[n % readers.length]?.come(process),
  leave: ({ readers }, _, { n }) => readers[n % readers.length]?.leave(),
  advance: ({ clock }, _, { n }) => clock.advance(n % 40),
  run: (world) => world.step(Infinity),
  thaw: (world) => world.thaw(),
  breakOpen: (world, _, { n }) => world.breakNext('open', n % 2 === 0 ? 'fails' : 'hangs'),
  breakClose: (world, _, { n }) => world.breakNext('close', n % 2 === 0 ? 'fails' : 'hangs'),
  failWrite: (world, _, { n }) => world.failNext(n % 2 === 0 ? 'commit' : 'answer'),
  crash: (world) => world.crash(),
  takeOver: (world) => world.takeOver(),
  shutdown: (world, _, { n }) => world.shutdown(n % 30),
};

/** How often each act comes, beside the others. */
export type Mix = Partial<Record<keyof typeof ACTS, number>>;

export const CALLERS: Mix = {
  send: 12,
  resend: 2,
  cancelTurn: 3,
  cancelAll: 2,
  answer: 3,
  come: 2,
  leave: 1,
};
export const TIME: Mix = { advance: 3, run: 3, thaw: 1 };
export const OPERATORS: Mix = { dirty: 3, evict: 2, close: 1, breakOpen: 1, breakClose: 1 };
export const BAD_LUCK: Mix = { crash: 2, failWrite: 2, takeOver: 1, shutdown: 1 };

export function scripts(
  mix: Mix,
  stepsMax: number,
  wanted: readonly Op[] = OPS,
): fc.Arbitrary<readonly Step[]> {
  const act = fc.oneof(
    ...Object.entries(mix).map(([name, weight = 1]) => ({ weight, arbitrary: fc.constant(name) })),
  );
  const ops = fc.array(fc.constantFrom(...wanted), { minLength: 1, maxLength: 3 }).map((list) => list.join());
  const step = fc.record({ act, n: fc.nat(1_000), ops, steps: fc.nat(6) });
  return fc.array(step, { maxLength: stepsMax, size: 'max' });
}

export async function play(world: World, setting: Setting, script: readonly Step[]): Promise<void> {
  for (const step of script) {
    const key = setting.keys[step.n % setting.keys.length] ?? 'a';
    await ACTS[step.act]?.(world, key, step);
    world.verify();
    await world.step(step.steps);
  }
}
