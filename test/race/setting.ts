// Setting: how one world is made: what is slow, what is small, which sessions there are.
import fc from 'fast-check';
import type { GroupStep } from '../../src/testing/memory-store.ts';
import type { AgentName } from './agents.ts';

export const OPEN_MS = 20;
export const CLOSE_MS = 8;
export const CANCEL_MS = 12;
export const TURN_MS = 200;
export const REQUEST_MS = 60;

export type Key = 'a' | 'b' | 'c';
export const AGENT_OF: Record<Key, AgentName> = { a: 'safe', b: 'plain', c: 'own' };

export interface Setting {
  keys: readonly Key[];
  /** As with a store on this machine, or one behind a slow line. */
  reads: 'at once' | 'asked late' | 'answered late';
  /** The steps of a group, besides its commit, that wait for their turn. */
  gated: readonly GroupStep[];
  /** Deltas that wait are joined. */
  coalesce: boolean;
  /** Agents say that they open at once, and still take what time the schedule gives them. */
  opensAtOnce: boolean;
  /** The bus drops and doubles. */
  lossy: boolean;
  liveMax: number;
  idleMsMax: number;
  queueMax: number;
}

export function settings(keys: readonly Key[]): fc.Arbitrary<Setting> {
  return fc.record({
    keys: fc.constantFrom<readonly Key[]>(...keys.map((key) => [key]), keys),
    reads: fc.constantFrom('at once', 'at once', 'asked late', 'answered late'),
    gated: fc.constantFrom<readonly GroupStep[]>([], ['answer'], ['take', 'answer']),
    coalesce: fc.boolean(),
    opensAtOnce: fc.boolean(),
    lossy: fc.boolean(),
    liveMax: fc.constantFrom(1, 2, 10),
    idleMsMax: fc.constantFrom(5, 25, 1_000),
    queueMax: fc.constantFrom(1, 3, 100),
  });
}
