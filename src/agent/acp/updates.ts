// Updates: what an agent says in one turn, as our events.
//
// A plan is a `custom` event named `plan`, and not the progress of a tool: it belongs to the turn, an agent may have one and
// call no tool at all, and each one replaces the last as a whole. Whoever waits for a child's turn sees it as progress.
//
//   D1. Text belongs to one message until a result comes between, or the agent says that another one begins.
//   D2. Cost is told by agents as a sum; the log has what was added to it. A sum that shrinks has begun anew.
//   D3. What we do not know is passed over: the protocol grows.
import type { ContentChunk, Plan, SessionUpdate, UsageUpdate } from '@agentclientprotocol/sdk';
import type { AgentEvent, AgentTurn } from '../agent.ts';
import type { Calls } from './calls.ts';
import { textOf, toFile } from './content.ts';

/** What an ACP session has cost so far, as its agent has said. */
export interface Cost {
  usd: number;
}

export interface UpdatesParts {
  turn: AgentTurn;
  calls: Calls;
  cost: Cost;
}

const CUSTOM_CHARS_MAX = 64 * 1_024;

export class Updates {
  readonly #parts: UpdatesParts;
  #messages = 0;
  /** What the agent calls the message that is open; null where it calls it nothing. */
  #open: string | null | undefined;

  constructor(parts: UpdatesParts) {
    this.#parts = parts;
  }

  *events(update: SessionUpdate): Iterable<AgentEvent> {
    const isOfCall = update.sessionUpdate === 'tool_call' || update.sessionUpdate === 'tool_call_update';
    if (!isOfCall) yield* this.#parts.calls.settle();
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
        return yield* this.#said('text.delta', update);
      case 'agent_thought_chunk':
        return yield* this.#said('reasoning.delta', update);
      case 'tool_call':
      case 'tool_call_update':
        return yield* this.#called(update);
      case 'plan':
        return yield* this.#planned(update);
      case 'usage_update':
        return yield* this.#used(update);
      case 'notice':
        yield custom('notice', { severity: update.severity, title: update.title, text: update.description });
        return;
      case 'current_mode_update':
        yield custom('mode', { mode: update.currentModeId });
        return;
      case 'compaction_update':
        yield custom('compaction', update);
        return;
      default:
        return; // D3
    }
  }

  *#said(kind: 'text.delta' | 'reasoning.delta', chunk: ContentChunk): Iterable<AgentEvent> {
    const { content, messageId = null } = chunk;
    const file = content.type === 'text' ? undefined : toFile(content);
    const isOther = this.#open === undefined || (messageId !== null && messageId !== this.#open);
    if (isOther || file !== undefined) this.#messages += 1; // D1
    this.#open = file === undefined ? messageId : undefined;
    const { attempt } = this.#parts.turn;
    const message = `a${attempt === 1 ? '' : `${attempt}.`}${this.#messages}`; // A later attempt goes on with the same turn.
    if (file === undefined) {
      yield { kind, text: textOf(content), message };
      return;
    }
    // What was said before is a message of its own; then the file's takes the place of the words for it.
    yield { kind: 'text.delta', text: textOf(content), message };
    yield { kind: 'message', role: 'assistant', parts: [file], message };
  }

  *#called(update: Extract<SessionUpdate, { sessionUpdate: 'tool_call' | 'tool_call_update' }>) {
    for (const event of this.#parts.calls.update(update)) {
      if (typeof event !== 'string' && event.kind === 'tool.returned') this.#open = undefined; // D1
      yield event;
    }
    const progress = this.#parts.calls.progress(update);
    if (progress !== undefined) this.#parts.turn.progress(progress);
  }

  *#planned({ entries }: Plan): Iterable<AgentEvent> {
    const done = entries.filter(({ status }) => status === 'completed').length;
    const current = entries.find(({ status }) => status === 'in_progress')?.content;
    this.#parts.turn.progress({
      kind: 'plan',
      summary: `${done} of ${entries.length} done${current === undefined ? '' : `: ${current}`}`,
      ...(entries.length === 0 ? {} : { percent: Math.round((100 * done) / entries.length) }),
    });
    yield custom('plan', { entries });
  }

  *#used({ used, size, cost }: UsageUpdate): Iterable<AgentEvent> {
    if (size > 0) yield custom('context', { used, size });
    if (cost !== undefined && cost !== null && cost.currency !== 'USD') yield custom('cost', cost);
    const costUsd = this.added(cost);
    if (costUsd > 0) yield { kind: 'usage', usage: {}, costUsd };
  }

  /** The agent says what it costs: what it used beside that has no other price. */
  get isCosted(): boolean {
    return this.#parts.cost.usd > 0;
  }

  /** D2. What this sum adds to what is known, in US dollars. */
  added(cost: UsageUpdate['cost']): number {
    if (cost?.currency !== 'USD' || !Number.isFinite(cost.amount)) return 0;
    const { cost: known } = this.#parts;
    const added = cost.amount >= known.usd ? cost.amount - known.usd : cost.amount;
    known.usd = cost.amount;
    return cents(added);
  }
}

/** A difference of two sums, without the noise of binary fractions. */
const cents = (usd: number): number => Number(usd.toFixed(9));

/** What no event can hold is left out. */
function custom(name: string, data: unknown): AgentEvent {
  const isTooLarge = (JSON.stringify(data) ?? '').length > CUSTOM_CHARS_MAX;
  return { kind: 'custom', name, data: isTooLarge ? { isTooLarge } : data };
}
