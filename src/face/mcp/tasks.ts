// Tasks: long turns, for clients that take a task in place of an answer (the extension io.modelcontextprotocol/tasks).
//
//   TK1. A task is a turn and nothing else: nothing is kept here, so a task is there as long as its session, also
//        after a restart.
//   TK2. The id of a task is no authority: it names a session and a turn, and the runtime asks who is asking.
//   TK3. Through a task only what its own turn asks is answered. An approval is given by "allow": true and by nothing else.
import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { SojournError } from '../../kernel/errors.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import type { Caller } from '../../wire/access.ts';
import type { RequestView } from '../../wire/session.ts';
import type { TurnView } from '../../wire/turn.ts';
import { answerOf, type Pending } from './tool.ts';
import { standingOf } from './turn-tools.ts';

export const TASKS = 'io.modelcontextprotocol/tasks';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const POLL_MS = 1_000;
const ID_CHARS_MAX = 4_096;

export function takesTasks(ctx: ServerContext): boolean {
  const envelope: Readonly<Record<string, unknown>> = { ...ctx.mcpReq.envelope };
  const { extensions } = (envelope[CAPABILITIES] ?? {}) as { extensions?: object };
  return Object.hasOwn(extensions ?? {}, TASKS);
}

export function requireTasks(ctx: ServerContext): void {
  if (takesTasks(ctx)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
}

interface Task {
  taskId: string;
  status: 'working' | 'input_required' | 'completed' | 'cancelled';
  createdAt: string;
  lastUpdatedAt: string;
  /** Null: as long as the session. */
  ttlMs: null;
  pollIntervalMs: number;
}

export class Tasks {
  readonly #runtime: RuntimeCalls;
  readonly #caller: Caller;

  constructor(runtime: RuntimeCalls, caller: Caller) {
    this.#runtime = runtime;
    this.#caller = caller;
  }

  /** In place of a tool's answer. */
  async begin({ key, turn }: Pending): Promise<CallToolResult> {
    const view = await this.#runtime.turn(key, turn, this.#caller);
    const begun = { resultType: 'task', ...taskOf(key, view), status: 'working' };
    return begun as unknown as CallToolResult;
  }

  async get(taskId: string): Promise<Record<string, unknown>> {
    const { key, turn } = read(taskId);
    const view = await known(this.#runtime.turn(key, turn, this.#caller));
    const task = { ...taskOf(key, view) };
    if (task.status === 'input_required') {
      const asked = await this.#asked(key, view);
      return { ...task, inputRequests: Object.fromEntries(asked.map((one) => [one.id, elicitationOf(one)])) };
    }
    if (task.status !== 'completed') return task;
    const result = answerOf(standingOf(key, view), view.outcome !== 'completed');
    return { ...task, result };
  }

  /** TK3. Those that are closed by now are passed over, as are unknown ones. */
  async update(taskId: string, responses: Record<string, unknown>): Promise<void> {
    const { key, turn } = read(taskId);
    const view = await known(this.#runtime.turn(key, turn, this.#caller));
    for (const { id, kind } of await this.#asked(key, view)) {
      if (!Object.hasOwn(responses, id)) continue;
      try {
        await this.#runtime.answer(key, id, answerTo(kind, responses[id]), this.#caller);
      } catch (error) {
        const over = SojournError.is(error, 'request.closed') || SojournError.is(error, 'request.not_found');
        if (!over) throw error;
      }
    }
  }

  async cancel(taskId: string): Promise<void> {
    const { key, turn } = read(taskId);
    await known(this.#runtime.cancelTurn(key, turn, 'cancelled over MCP', this.#caller));
  }

  /** What the turn asks now. */
  async #asked(key: string, { id }: TurnView): Promise<readonly RequestView[]> {
    const open = await this.#runtime.requests(this.#caller);
    return open.filter((request) => request.key === key && request.turn === id);
  }
}

function taskOf(key: string, view: TurnView): Task {
  return {
    taskId: Buffer.from(JSON.stringify([key, view.id])).toString('base64url'),
    status: statusOf(view),
    createdAt: view.acceptedAt,
    lastUpdatedAt: view.endedAt ?? view.startedAt ?? view.acceptedAt,
    ttlMs: null,
    pollIntervalMs: POLL_MS,
  };
}

function statusOf({ state, outcome }: TurnView): Task['status'] {
  if (state === 'waiting') return 'input_required';
  if (state !== 'done') return 'working';
  return outcome === 'cancelled' ? 'cancelled' : 'completed';
}

/** TK2. */
function read(taskId: string): { key: string; turn: string } {
  try {
    const text = Buffer.from(taskId.slice(0, ID_CHARS_MAX), 'base64url').toString();
    const [key, turn] = JSON.parse(text) as unknown[];
    if (typeof key === 'string' && typeof turn === 'string') return { key, turn };
  } catch {
    // Not one of ours: said below.
  }
  throw unknownTask();
}

async function known<Value>(asked: Promise<Value>): Promise<Value> {
  try {
    return await asked;
  } catch (error) {
    const absent =
      error instanceof SojournError && /^(key\.|session\.not_found|turn\.not_found)/.test(error.code);
    throw absent ? unknownTask() : error;
  }
}

const unknownTask = (): ProtocolError =>
  new ProtocolError(ProtocolErrorCode.InvalidParams, 'There is no such task');

/** What a person is asked, as a form. */
function elicitationOf({ kind, text, options, tool }: RequestView): object {
  const choice = options === undefined ? {} : { enum: [...options] };
  const properties =
    kind === 'question'
      ? { answer: { type: 'string', title: 'Answer', ...choice } }
      : { allow: { type: 'boolean', title: `Let ${tool?.name ?? 'the tool'} run?` } };
  const requestedSchema = { type: 'object', properties, required: Object.keys(properties) };
  return { method: 'elicitation/create', params: { mode: 'form', message: text, requestedSchema } };
}

/** TK3. */
function answerTo(
  kind: RequestView['kind'],
  response: unknown,
): { decision: 'allow' | 'deny'; answer?: string } {
  const { action, content } = (response ?? {}) as { action?: unknown; content?: Record<string, unknown> };
  if (action !== 'accept') return { decision: 'deny' };
  const { allow, answer } = content ?? {};
  if (kind === 'approval') return { decision: allow === true ? 'allow' : 'deny' };
  return typeof answer === 'string' ? { decision: 'allow', answer } : { decision: 'deny' };
}
