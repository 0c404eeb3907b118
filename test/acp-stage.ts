// ACP stage: the echo agent as an agent of ours, with a folder of its own.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acpAgent, type AcpOptions } from '../src/agent/acp/acp.ts';
import type { Agent, AgentEvent, Instance } from '../src/agent/agent.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { allOf, testTurn, textSaid, type TestTurnOptions } from '../src/testing/test-turn.ts';

export const ECHO = fileURLToPath(new URL('./acp-echo-agent.ts', import.meta.url));

export function scratch(): { folder: string; remove: () => void } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sojourn-acp-')));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface EchoOptions extends Partial<AcpOptions> {
  /** Where it works, and keeps its sessions unless it is told not to. */
  folder: string;
  /** `name=value`, as acp-echo-agent.ts says. */
  words?: readonly string[];
  forgets?: boolean;
}

export function echo({ folder, words = [], forgets = false, ...options }: EchoOptions): Agent {
  const memory = forgets ? [] : [`memory=${folder}`];
  return acpAgent({
    command: process.execPath,
    args: [ECHO, ...memory, ...words],
    cwd: folder,
    name: 'Echo',
    ...options,
    inherit: ['NODE_COMPILE_CACHE', ...(options.inherit ?? [])], // It starts in half the time.
  });
}

export const events = (
  instance: Instance,
  input: string,
  more: TestTurnOptions = {},
): Promise<AgentEvent[]> => allOf(instance.run(testTurn({ input, clock: systemClock, ...more }).turn));

export const answer = async (instance: Instance, input: TestTurnOptions['input']): Promise<string> =>
  textSaid(await allOf(instance.run(testTurn({ input: input ?? '', clock: systemClock }).turn)));

export const fails = async (promise: Promise<unknown>): Promise<SojournError> => {
  const thrown: unknown = await promise.catch((error: unknown) => error);
  if (thrown instanceof SojournError) return thrown;
  throw new Error(`It did not fail as it should: ${String(thrown)}`);
};
