// Permission: what an agent may not do without asking, as a question to a person, and the answer as one of the options it gave.
//
//   Q1. The question shows the exact arguments, and is bound to their hash.
//   Q2. An answer never grants more than was said. An option for always is taken only when the person named it: what an
//       agent means by it is more than this call, and to remember means this very call, which the session sees to.
//   Q3. A key is the hash of the call and how often it was asked in the turn. So a later attempt finds the answer to the
//       question it waited for, and a call that was answered before is asked again.
import { hash } from 'node:crypto';
import type {
  PermissionOption,
  RequestPermissionRequest,
  RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import { canonicalJson } from '../../kernel/json.ts';
import type { Answer, Question } from '../agent.ts';
import type { KnownCall } from './calls.ts';

export const CANCELLED: RequestPermissionResponse = { outcome: { outcome: 'cancelled' } };

/** Q1. */
export function questionOf(call: KnownCall, { options }: RequestPermissionRequest): Question {
  return {
    kind: 'approval',
    text: textOf(call),
    options: options.map(({ name }) => String(name)),
    tool: { call: call.call, name: call.name, input: call.input },
  };
}

/** Some agents title a call by what it is about, and not by what it does. */
function textOf({ name, title }: KnownCall): string {
  if (title === '') return `May ${name} run?`;
  return title.toLowerCase().includes(name.toLowerCase()) ? title : `${name}: ${title}`;
}

/** Q2. A person may name one of the options in the answer's text. */
export function responseTo(answer: Answer, options: readonly PermissionOption[]): RequestPermissionResponse {
  const { named, unnamed } = KINDS[answer.decision];
  const chosen =
    options.find(
      ({ kind, optionId, name }) =>
        named.includes(kind) && (answer.answer === optionId || answer.answer === name),
    ) ?? unnamed.flatMap((kind) => options.filter((option) => option.kind === kind))[0];
  return chosen === undefined ? CANCELLED : { outcome: { outcome: 'selected', optionId: chosen.optionId } };
}

type Kind = PermissionOption['kind'];
/** Which a person can name, and what is taken of those that nobody named, the best first. */
const KINDS: Readonly<Record<Answer['decision'], { named: readonly Kind[]; unnamed: readonly Kind[] }>> = {
  allow: { named: ['allow_once', 'allow_always'], unnamed: ['allow_once'] },
  /** To refuse for good grants nothing: it is better than not to refuse. */
  deny: { named: ['reject_once', 'reject_always'], unnamed: ['reject_once', 'reject_always'] },
};

/** What was asked in a turn, as a snapshot keeps it: how often, and what nobody has answered. */
export interface AskedSnapshot {
  readonly turn: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly open: readonly string[];
}

/** Q3. */
export class Asked {
  readonly turn: string;
  readonly #counts: Map<string, number>;
  readonly #open = new Set<string>();
  /** Asked by an earlier attempt, which ended before the answer. */
  readonly #left: Set<string>;

  constructor(turn: string, before?: AskedSnapshot) {
    const known = before?.turn === turn ? before : undefined;
    this.turn = turn;
    this.#counts = new Map(Object.entries(known?.counts ?? {}));
    this.#left = new Set(known?.open);
  }

  /** The key to ask under. `answered` says that it is closed. */
  key({ name, input }: KnownCall): { key: string; answered: () => void } {
    const id = hash('sha256', canonicalJson([name, input ?? null]));
    const before = this.#counts.get(id) ?? 0;
    const count = this.#left.delete(id) ? before : before + 1;
    this.#counts.set(id, count);
    const key = `permission-${id.slice(0, 32)}-${count}`;
    this.#open.add(id);
    return { key, answered: () => void this.#open.delete(id) };
  }

  snapshot(): AskedSnapshot {
    return {
      turn: this.turn,
      counts: Object.fromEntries(this.#counts),
      open: [...new Set([...this.#open, ...this.#left])],
    };
  }
}
