// Recovery: what a session's log says a process left behind, and how it goes on.
//
//   Y1. A running turn of an agent with `rerun: safe` runs again, at most `crashAttemptsMax` times after crashes; any other
//       ends `interrupted`: what it said is kept, open tool calls are sealed as unknown, its questions are void.
//   Y2. A turn whose end was decided already ends as decided.
//   Y3. Turns that waited wait again, in their order. One that waits for a person goes on waiting, unless its agent says
//       `rerun: never`.
//   Y4. What was offered to a turn and not taken is offered again, or becomes the next turn.
//   Y5. What a turn's events say was spent is on its bill, whatever became of the attempt that spent it. So is its time: the
//       next attempt has what is left of it.
//   Y6. All of it is written in appends of a new epoch: whoever wrote before writes no more.
//   Y7. The end of a turn that a parent asked for is told to the parent; one whose asking turn ended early goes no further.
//   Y8. However much an attempt had said, its turn ends: what is too large to stay is moved out, as from any other attempt.
//   Y9. A session whose agent said that it is over is closed, with what waits in it, before it does anything else.
import type { Draft } from '../log/session-log.ts';
import { offloads } from '../context/overflow.ts';
import { bodyOf } from '../log/event.ts';
import { pagesOf } from '../log/pages.ts';
import { TRANSCRIPT_KINDS, Transcript } from '../log/transcript.ts';
import type { StoredEvent, TurnPatch, TurnRow } from '../store/store.ts';
import type { EventBodies } from '../wire/event.ts';
import type { Input, ToolResultPart } from '../wire/message.ts';
import type { Outcome } from '../wire/turn.ts';
import { closingOf } from './closing.ts';
import { Composer } from './composer.ts';
import { type Conduct, requeue } from './conduct.ts';
import type { SessionCore } from './core.ts';
import { Turn } from './turn.ts';
import { recalled } from './recall.ts';
import { donePatch, owesEnd } from './turn-rows.ts';

export async function recover(core: SessionCore, conduct: Conduct): Promise<void> {
  const { store } = core.host;
  const found = await store.openTurns(core.row.num);
  for (const { id, endSeq } of found) if (endSeq !== null) await finish(core, id); // Y7
  const rows = found.filter(({ endSeq }) => endSeq === null);
  if (!rows.some(({ id }) => id === core.row.turn)) core.completedBy = await completedBy(core);
  if (rows.length === 0) return settle(core, conduct);
  const first = Math.min(...rows.map((row) => row.acceptedSeq));
  const events = await readFrom(core, first - 1);
  const transcript = new Transcript();
  transcript.feed(events.filter((event) => (TRANSCRIPT_KINDS as readonly string[]).includes(event.kind)));
  const parked: Turn[] = [];
  const ended: Turn[] = [];
  for (const row of rows) {
    const turn = turnOf(core, row, events, transcript);
    core.spending.add(turn);
    const spent = recalled(events, turn.id);
    core.spending.recall(turn, spent); // Y5
    turn.ranMs = spent.ms;
    const begun = row.state !== 'queued';
    const stop = owesEnd(core, turn) ? await core.host.children.resume(core, turn) : undefined;
    const rerun = core.host.agent(core.row.agent)?.capabilities.rerun ?? 'never';
    await offer(core, turn, transcript);
    if (begun) turn.left = sealed(turn, row, events);
    if (row.outcome !== null) ended.push(await end(core, turn, row, row.outcome as Outcome)); // Y2
    else if (stop !== undefined) ended.push(await end(core, turn, row, stop.outcome, stop.reason)); // Y7
    else if (!begun) core.mailbox.put(turn, 'last'); // Y3
    else if (rerun !== 'never' && row.state === 'waiting') parked.push(turn); // Y3
    else if (rerun === 'safe' && row.crashAttempts < core.host.limits.crashAttemptsMax) again(core, turn);
    else ended.push(await end(core, turn, row, 'interrupted')); // Y1
  }
  await known(core);
  for (const turn of ended) await endOf(core, turn);
  for (const turn of parked) park(core, conduct, turn);
  await core.append([], { row: core.columns() });
  if (core.completedBy !== undefined) conduct.complete();
  else conduct.pump();
}

/** Nothing runs or waits. */
async function settle(core: SessionCore, conduct: Conduct): Promise<void> {
  if (core.row.state === 'idle' || core.row.state === 'closed') return;
  await known(core);
  await core.append([], { row: core.columns() });
  if (core.completedBy !== undefined) conduct.complete();
}

/** Y9. A session at work with a turn that is over. */
async function completedBy({ host, row }: SessionCore): Promise<string | undefined> {
  const turn = row.turn === null ? null : await host.store.turn(row.num, row.turn);
  if (turn === null || turn.endSeq === null) return undefined;
  const bounds = { eventsMax: 1, bytesMax: 1 };
  const [ended] = await host.store.read(row.num, turn.endSeq - 1, bounds);
  if (ended === undefined || ended.kind !== 'turn.ended') return undefined;
  return bodyOf(ended, 'turn.ended').sessionCompleted === true ? turn.id : undefined;
}

/** Before anything more is spent. */
async function known({ host, spending }: SessionCore): Promise<void> {
  spending.know();
  await host.bill.open(spending.account);
}

/** Y7. A turn that is over, but whose parent may not have its end. */
async function finish(core: SessionCore, turn: string): Promise<void> {
  const tell = await core.host.children.deliver(core, turn);
  await core.append([], { turns: [{ id: turn, state: 'done' }], row: {} });
  tell();
}

async function readFrom(core: SessionCore, after: number): Promise<StoredEvent[]> {
  const { store, limits } = core.host;
  const events: StoredEvent[] = [];
  for await (const page of pagesOf(store, core.row.num, { after, limits })) events.push(...page);
  return events;
}

function turnOf(
  core: SessionCore,
  row: TurnRow,
  events: readonly StoredEvent[],
  transcript: Transcript,
): Turn {
  const accepted = events.find((event) => event.kind === 'turn.accepted' && event.turn === row.id);
  const body: Partial<EventBodies['turn.accepted']> =
    accepted === undefined ? {} : bodyOf(accepted, 'turn.accepted');
  const turn = new Turn(
    {
      id: row.id,
      kind: row.kind as EventBodies['turn.accepted']['kind'],
      author: body.author ?? null,
      channel: body.channel ?? null,
      inputs: transcript.inputs(row.id),
      metadata: body.metadata ?? {},
      budget: body.budget ?? {},
      deadlineMs: body.deadlineMs ?? core.host.limits.turnMs,
      canAsk: body.canAsk ?? true,
      acceptedAt: row.acceptedAt,
      parent: body.parent ?? null,
    },
    row.state === 'waiting' ? 'parked' : 'queued',
  );
  turn.attempt = row.attempt;
  turn.crashAttempts = row.crashAttempts;
  turn.rank = row.rank;
  turn.startedAt = row.startedAt;
  askedOf(turn, events);
  return turn;
}

/** What the turn asked, and what was answered. */
function askedOf(turn: Turn, events: readonly StoredEvent[]): void {
  const keys = new Map<string, string>();
  for (const event of events) {
    if (event.turn !== turn.id) continue;
    if (event.kind === 'request.opened') {
      const { request, key, kind, text, options, tool, expiresAt } = bodyOf(event, 'request.opened');
      keys.set(request, key);
      turn.asks.set(key, {
        request,
        question: {
          kind,
          text,
          ...(options === undefined ? {} : { options }),
          ...(tool === undefined ? {} : { tool }),
        },
        hash: tool?.inputHash ?? '',
        openedAt: event.at,
        expiresAt: Date.parse(expiresAt),
        state: { kind: 'open', answered: () => undefined },
      });
    }
    if (event.kind === 'request.closed') {
      const { request, decision, answer, remember } = bodyOf(event, 'request.closed');
      const ask = turn.asks.get(keys.get(request) ?? '');
      if (ask?.request !== request) continue; // Another was asked under its key.
      const extras = {
        ...(answer === undefined ? {} : { answer }),
        ...(remember === undefined ? {} : { remember }),
      };
      const answered = decision === 'allow' || decision === 'deny';
      ask.state = {
        kind: 'closed',
        end: answered ? { kind: 'answered', decision, ...extras } : { kind: decision },
      };
    }
  }
}

/** Y4. What an earlier attempt took is offered to the next one. */
async function offer(core: SessionCore, turn: Turn, transcript: Transcript): Promise<void> {
  // One that cannot be read is offered as the log has it: the rest of the session goes on.
  const whole = (input: Input): Promise<Input> => core.overflow.restoreInput(input).catch(() => input);
  for (const logged of transcript.offered(turn.id)) turn.inbox.push({ logged, whole: await whole(logged) });
  for (const logged of transcript.steered(turn.id)) turn.taken.push({ logged, whole: await whole(logged) });
}

/** Y1. */
function again(core: SessionCore, turn: Turn): void {
  turn.crashAttempts += 1;
  // It did not wait for an answer when the log ends, so it has to ask again: this log comes from elsewhere.
  for (const [key, ask] of turn.asks) if (ask.state.kind === 'open') turn.asks.delete(key);
  core.mailbox.put(turn, 'first');
}

/** Y3. */
function park(core: SessionCore, conduct: Conduct, turn: Turn): void {
  core.current = turn;
  for (const [key, ask] of turn.asks) if (ask.state.kind === 'open') core.questions.watch(turn, key, ask);
  if (!core.questions.waits(turn)) conduct.wake(turn);
}

async function end(
  core: SessionCore,
  turn: Turn,
  row: TurnRow,
  outcome: Outcome,
  reason?: string,
): Promise<Turn> {
  const closing = await closingOf(core, turn); // Y8
  const text = await core.overflow.text(turn.left.text, 'turn.ended');
  const drafts = [...closing.drafts, ...offloads(turn.id, text.offloaded)];
  const requests: { id: string; state: 'closed'; closedEvent: number }[] = [];
  for (const ask of turn.asks.values()) {
    if (ask.state.kind !== 'open') continue;
    requests.push({ id: ask.request, state: 'closed', closedEvent: drafts.length });
    drafts.push({
      kind: 'request.closed',
      turn: turn.id,
      body: { request: ask.request, decision: 'void', by: null },
    });
  }
  const now = core.host.clock.now();
  const why = row.outcome === null ? 'while the turn was running' : 'before the stopped turn had unwound';
  const error = { code: `turn.${outcome}`, message: reason ?? `the process ended ${why}` };
  const turns: TurnPatch[] = requeue(core, turn, drafts); // Y4
  turns.push({ ...donePatch(turn, outcome, now, owesEnd(core, turn)), endEvent: drafts.length });
  const { usage, costUsd } = turn;
  const body = { outcome, ...text.value, error, usage, costUsd };
  drafts.push({ kind: 'turn.ended', turn: turn.id, body });
  core.spending.end(turn);
  const artifacts = [...closing.artifacts, ...text.artifacts];
  const columns = { ...core.spending.columns(), lastActiveAt: now };
  await core.append(drafts, { turns, requests, artifacts, row: columns });
  core.host.ended(outcome);
  return turn;
}

/** The parent of a child's turn hears of its end; the children of a turn end with it. */
async function endOf(core: SessionCore, turn: Turn): Promise<void> {
  if (owesEnd(core, turn)) await finish(core, turn.id);
  // Not waited for: a child that is being recovered may be waiting for this session.
  core.host.children.stopSoon(core, turn.id, 'the turn of its parent was interrupted');
}

/** As the transcript has it: the output, or what stands for it. */
function resultOf(result: Partial<EventBodies['tool.returned']>): Pick<ToolResultPart, 'output' | 'ref'> {
  const { artifact, bytes, mediaType, preview = '', unknown, output = null, tail, lines, tokens } = result;
  if (unknown === true) return { output: 'unknown' };
  if (artifact === undefined || bytes === undefined || mediaType === undefined) return { output };
  const more = {
    ...(tail === undefined ? {} : { tail }),
    ...(lines === undefined ? {} : { lines }),
    ...(tokens === undefined ? {} : { tokens }),
  };
  return { ref: { artifact, bytes, mediaType, preview, ...more } };
}

/** What the last attempt had said, as messages, and a result for every call it left open. */
function sealed(turn: Turn, row: TurnRow, events: readonly StoredEvent[]): { drafts: Draft[]; text: string } {
  const composer = new Composer();
  const calls = new Map<string, string>();
  for (const event of events) {
    if (event.turn !== turn.id || event.seq <= (row.startSeq ?? 0)) continue;
    if (event.kind === 'turn.started') {
      composer.close();
      calls.clear();
    }
    if (event.kind === 'text.delta' || event.kind === 'reasoning.delta') {
      const { text, message } = bodyOf(event, event.kind);
      composer.say(event.kind === 'text.delta' ? 'text' : 'reasoning', text, message);
    }
    if (event.kind === 'message') {
      const { role, parts, message } = bodyOf(event, 'message');
      composer.said(role, parts, message);
    }
    if (event.kind === 'tool.called') {
      const { call, name, input } = bodyOf(event, 'tool.called');
      calls.set(call, name);
      composer.called(call, name, input);
    }
    if (event.kind === 'tool.returned') {
      const { call, isError, ...result } = bodyOf(event, 'tool.returned');
      const name = calls.get(call) ?? '';
      calls.delete(call);
      composer.returned({ type: 'tool-result', call, name, ...resultOf(result), isError });
    }
  }
  const drafts: Draft[] = [];
  for (const [call, name] of calls) {
    drafts.push({ kind: 'tool.returned', turn: turn.id, body: { call, isError: true, unknown: true } });
    composer.returned({ type: 'tool-result', call, name, output: 'unknown', isError: true });
  }
  const { text } = composer;
  for (const { message, role, parts } of composer.close()) {
    drafts.push({ kind: 'message', turn: turn.id, body: { message, role, parts, partial: true } });
  }
  return { drafts, text };
}
