// Bugs: what somebody could get wrong, planted one at a time in the real parts. Each is a promise of ARCHITECTURE.md that
// does not hold any more; the races must notice.
//
//   P1. A bug changes methods from outside and puts them back: the parts know nothing of it, and pay nothing.
import { Keeper, type Use } from '../../src/keeper/keeper.ts';
import { Roster } from '../../src/keeper/roster.ts';
import { type Draft, SessionLog } from '../../src/log/session-log.ts';
import { Flights } from '../../src/runtime/flights.ts';
import { RuntimeHost } from '../../src/runtime/host.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import { Conduct } from '../../src/session/conduct.ts';
import { SessionCore } from '../../src/session/core.ts';
import { Mailbox } from '../../src/session/mailbox.ts';
import { Session } from '../../src/session/session.ts';
import { Turn } from '../../src/session/turn.ts';
import { MemoryDisk, MemoryStore } from '../../src/testing/memory-store.ts';
import { CALLERS, type Mix, OPERATORS, TIME } from './script.ts';

export interface Bug {
  /** What is wrong. */
  readonly name: string;
  /** Who would meet it. */
  readonly mix: Mix;
  /** Answers the call that takes it out again. */
  readonly plant: () => () => void;
}

const callers = { ...CALLERS, ...TIME };
const operators = { ...callers, ...OPERATORS };

/** P1. */
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

/** Answers appends of one kind before they are on disk. */
function answeredEarly(isMeant: (drafts: readonly Draft[]) => boolean): () => void {
  return replaced(
    SessionLog.prototype,
    'append',
    (original) =>
      function (this: SessionLog, drafts, also) {
        const written = original.call(this, drafts, also);
        if (!isMeant(drafts)) return written;
        written.catch(() => undefined);
        const firstSeq = this.headSeq + 1;
        return Promise.resolve({ kind: 'written', firstSeq, lastSeq: firstSeq + drafts.length - 1 });
      },
  );
}

/** Of turns that are written as started together with their message, and whose instance is still being got. */
function begunEarly(): () => void {
  let isThere = true;
  const appends = replaced(
    SessionCore.prototype,
    'append',
    (original) =>
      function (this: SessionCore, drafts, also) {
        isThere = this.host.registry.peek(this.row.id) !== null;
        return original.call(this, drafts, also);
      },
  );
  const answers = answeredEarly(
    (drafts) => !isThere && has('turn.accepted')(drafts) && has('turn.started')(drafts),
  );
  return () => {
    appends();
    answers();
  };
}

const has =
  (kind: Draft['kind']) =>
  (drafts: readonly Draft[]): boolean =>
    drafts.some((draft) => draft.kind === kind);

export const BUGS: readonly Bug[] = [
  {
    name: 'a stale owner still writes: there is no fence',
    mix: { send: 12, takeOver: 6, run: 2, advance: 1 },
    plant: () =>
      replaced(
        MemoryDisk.prototype,
        'apply',
        (original) =>
          function (this: MemoryDisk, append, now) {
            const kept = typeof append.session === 'number' ? this.sessions.get(append.session) : undefined;
            return original.call(
              this,
              kept === undefined ? append : { ...append, epoch: kept.row.epoch },
              now,
            );
          },
      ),
  },
  {
    name: 'a message is acknowledged before it is on disk',
    mix: callers,
    plant: () => answeredEarly(has('turn.accepted')),
  },
  {
    name: 'the agent of a session that wakes begins before its message is on disk',
    mix: { ...callers, evict: 8 },
    plant: begunEarly,
  },
  {
    name: 'a turn is over before its end is on disk',
    mix: callers,
    plant: () => answeredEarly(has('turn.ended')),
  },
  {
    name: 'a tool runs before its call is on disk',
    mix: callers,
    plant: () => answeredEarly(has('tool.called')),
  },
  {
    name: 'dirty is a flag, cleared when a remaking ends, and no epoch',
    mix: { send: 10, dirty: 14, run: 2 },
    plant: () =>
      replaced(
        Roster.prototype,
        'move',
        (original) =>
          function (this: Roster<string, unknown, unknown>, entry, next) {
            const isMade =
              entry.state.kind !== 'ready' && entry.state.kind !== 'held' && next.kind === 'held';
            original.call(this, entry, next);
            if (isMade) entry.markedAt = 0;
          },
      ),
  },
  {
    name: 'an instance is put away while it is used: a use does not hold it',
    mix: { ...operators, advance: 10 },
    plant: () => {
      const letGo = <Given extends Use<unknown> | null>(use: Given): Given => {
        use?.release();
        return use;
      };
      const tries = replaced(
        Keeper.prototype,
        'tryUse',
        (original) =>
          function (this: Keeper<string, unknown, unknown>, key) {
            return letGo(original.call(this, key));
          },
      );
      const uses = replaced(
        Keeper.prototype,
        'use',
        (original) =>
          async function (this: Keeper<string, unknown, unknown>, key, context, options) {
            return letGo(await original.call(this, key, context, options));
          },
      );
      return () => {
        tries();
        uses();
      };
    },
  },
  {
    name: 'two who ask for a session at once get two: making it is not single-flight',
    mix: { ...callers, crash: 6, failWrite: 2, evict: 2, dirty: 2 },
    plant: () =>
      replaced(
        Flights.prototype,
        'share',
        () =>
          function (_name, work) {
            return work();
          },
      ),
  },
  {
    name: 'a message that is sent again is taken again: idempotency keys are not looked at',
    mix: { ...callers, resend: 8 },
    plant: () => {
      const reads = replaced(MemoryStore.prototype, 'once', () => () => Promise.resolve(null));
      const writes = replaced(
        MemoryDisk.prototype,
        'apply',
        (original) =>
          function (this: MemoryDisk, { once: _once, ...append }, now) {
            return original.call(this, append, now);
          },
      );
      return () => {
        reads();
        writes();
      };
    },
  },
  {
    name: 'a reader that comes back begins one event too late',
    mix: { ...callers, come: 8, leave: 6 },
    plant: () =>
      replaced(
        Runtime.prototype,
        'tail',
        (original) =>
          async function (this: Runtime, key, call, caller) {
            const tail = await original.call(this, key, call, caller);
            if ((call?.after ?? 0) === 0) return tail;
            let isFirst = true;
            const { session, headSeq } = tail;
            const next = async (): ReturnType<typeof tail.next> => {
              const events = await tail.next();
              const kept = isFirst ? events.slice(1) : events;
              isFirst = false;
              return kept.length > 0 || events.length === 0 ? kept : next();
            };
            return { session, headSeq, next, close: () => tail.close() };
          },
      ),
  },
  {
    name: 'a cancel that comes while the instance is being opened is lost',
    mix: { ...callers, cancelTurn: 10 },
    plant: () =>
      replaced(
        Turn.prototype,
        'stopFor',
        (original) =>
          function (this: Turn, stop) {
            return this.state.kind === 'starting' ? true : original.call(this, stop);
          },
      ),
  },
  {
    name: 'a cancel answers before the turn has let go',
    mix: { ...callers, cancelTurn: 6 },
    plant: () =>
      replaced(
        Session.prototype,
        'cancel',
        () =>
          async function (this: Session, turn, reason) {
            this.conduct.stop(turn, { outcome: 'cancelled', reason });
            turn.over.catch(() => undefined);
            return { outcome: 'cancelled', changed: true };
          },
      ),
  },
  {
    name: 'an interrupt stops nothing',
    mix: callers,
    plant: () =>
      replaced(
        Conduct.prototype,
        'stop',
        (original) =>
          function (this: Conduct, turn, stop) {
            return stop.reason.includes('policy interrupt') ? true : original.call(this, turn, stop);
          },
      ),
  },
  {
    name: 'an interrupting message waits behind the others',
    mix: callers,
    plant: () =>
      replaced(
        Mailbox.prototype,
        'place',
        (original) =>
          function (this: Mailbox, message, current, can) {
            const placement = original.call(this, message, current, can);
            if (placement.kind === 'queue' && this.remove(placement.turn)) this.put(placement.turn, 'last');
            return placement;
          },
      ),
  },
  {
    name: 'what was offered to a turn and not taken is forgotten',
    mix: callers,
    plant: () =>
      replaced(
        Turn.prototype,
        'enter',
        (original) =>
          function (this: Turn, next) {
            if (next.kind === 'ending') this.inbox.splice(0);
            original.call(this, next);
          },
      ),
  },
  {
    name: 'after a failed write the next one of the same owner goes through: there is no poison',
    mix: { ...callers, failWrite: 8 },
    plant: () => replaced(MemoryDisk.prototype, 'poison', () => () => undefined),
  },
  {
    name: 'after a crash a turn runs again that must not run twice',
    mix: { ...callers, crash: 6 },
    plant: () =>
      replaced(
        RuntimeHost.prototype,
        'agent',
        (original) =>
          function (this: RuntimeHost, name) {
            const agent = original.call(this, name);
            if (agent === undefined || this.agents.get(name) === undefined) return agent;
            return { ...agent, capabilities: { ...agent.capabilities, rerun: 'safe' } };
          },
      ),
  },
  {
    name: 'after a crash the last turn that waited is forgotten',
    mix: { ...callers, crash: 6 },
    plant: () =>
      replaced(
        MemoryStore.prototype,
        'openTurns',
        (original) =>
          async function (this: MemoryStore, session) {
            const open = await original.call(this, session);
            return open.length > 1 ? open.slice(0, -1) : open;
          },
      ),
  },
  {
    name: 'after a crash turns run in the order they came, not in the order they stood',
    mix: { send: 16, crash: 5 },
    plant: () =>
      replaced(
        MemoryStore.prototype,
        'openTurns',
        (original) =>
          async function (this: MemoryStore, session) {
            const open = await original.call(this, session);
            return [...open].sort((a, b) => a.acceptedSeq - b.acceptedSeq);
          },
      ),
  },
];
