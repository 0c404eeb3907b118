// The front door.
import type { Agent, AgentCapabilities, AgentFunction } from './agent/agent.ts';
import { functionAgent } from './agent/function/function.ts';
import type { Limits } from './kernel/limits.ts';
import type { RuntimeOptions } from './runtime/create.ts';
import type { SojournHooks } from './runtime/hooks.ts';

export type {
  Agent,
  AgentCapabilities,
  AgentEvent,
  AgentFunction,
  AgentTurn,
  Answer,
  Child,
  ChildResult,
  Instance,
  OpenContext,
  Question,
  SpawnOptions,
} from './agent/agent.ts';
export type { Clock } from './kernel/clock.ts';
export { type ErrorCode, SojournError } from './kernel/errors.ts';
export { type Limits, DEFAULT_LIMITS } from './kernel/limits.ts';
export type { Logger } from './kernel/logger.ts';
export { hostCaller } from './runtime/access.ts';
export { createRuntime, type RuntimeOptions } from './runtime/create.ts';
export type { SessionRegistry } from './runtime/registry.ts';
export type { Runtime } from './runtime/runtime.ts';
export type { SojournHooks } from './runtime/hooks.ts';
export type { Store } from './store/store.ts';
export type { Caller } from './wire/access.ts';
export type { Input, Message, Part } from './wire/message.ts';
export type { Budget, SessionView, Usage } from './wire/session.ts';
export type { Outcome, Policy, Receipt, TurnView } from './wire/turn.ts';

/** What `sojourn.config.ts` exports. */
export interface SojournConfig {
  /** By name. The first is the default unless `defaultAgent` names another. A function is an agent. */
  agents: Readonly<Record<string, Agent | AgentFunction>>;
  defaultAgent?: string;
  limits?: Partial<Limits>;
  hooks?: SojournHooks;
  /** What models cost, by name, in US dollars for a million tokens: it replaces the whole table that is built in. */
  prices?: RuntimeOptions['prices'];
  /** Makes digests of old turns, for agents that bring none of their own. Without one, rules do. */
  summariser?: RuntimeOptions['summariser'];
}

/** Checks the shape while it is written; answers it unchanged. */
export function defineConfig(config: SojournConfig): SojournConfig {
  return config;
}

/** An async generator as an agent. `capabilities` says what it can beyond the plainest (`rerun: never`). */
export function defineAgent(run: AgentFunction, capabilities?: Partial<AgentCapabilities>): Agent {
  return functionAgent(run, capabilities);
}
