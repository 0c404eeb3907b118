// acpAgent: any agent that speaks version 1 of the Agent Client Protocol over its standard input and output.
//
// Owns the options and what they mean. Each live session has a process of its own, which keeps the conversation; we keep the
// name of it. Where there are more sessions than processes, those that are idle do without (places.ts).
import { basename } from 'node:path';
import type { McpServer } from '@agentclientprotocol/sdk';
import type { Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { type StartOptions, Supervisor } from '../../process/supervisor.ts';
import type { Agent, OpenContext, SessionFacts } from '../agent.ts';
import { AcpInstance } from './instance.ts';
import { Peer } from './peer.ts';
import { Places } from './places.ts';
import { loadSdk } from './sdk.ts';

export interface AcpOptions {
  /** The program: a name on the PATH, or a path. Never read by a shell. */
  command: string;

  args?: readonly string[];

  /** The folder it works in: absolute, and there. */
  cwd: string | ((session: SessionFacts) => string);

  /** Variables it sees beside PATH, HOME, LANG and TMPDIR. */
  env?: Readonly<Record<string, string>>;

  /** Names of our own variables that it sees as well: keys are passed on only when they are named here. */
  inherit?: readonly string[];

  /** MCP servers that the agent connects to. */
  mcpServers?: readonly McpServer[];

  /**
   * For people, in errors.
   *
   * @default the program's name
   */
  name?: string;

  /** The command that installs the program, for people who do not have it. */
  install?: string;

  /**
   * It can take up a session in a new process. Then a turn that waits for a person survives a restart of ours.
   *
   * @default true
   */
  resumes?: boolean;

  /**
   * A longer result of a tool is cut, in characters. What is larger than the runtime's `inlineBytesMax` leaves the log by
   * itself, whole.
   *
   * @default 16_000_000
   */
  resultCharsMax?: number;

  /**
   * From being told to stop its turn until its process group is killed. Keep it below the runtime's `cancelMsMax`, which is less
   * for children. A child that is cancelled or closed takes `cancelMs` and `stopMs` at the most: by default less than the 2
   * seconds that whoever stops a tree of sessions waits.
   *
   * @default 1_000
   */
  cancelMs?: Millis;

  /**
   * From being asked to go, when its session is put away or closed, until its process group is killed: its input is closed,
   * and SIGTERM follows after a third of this.
   *
   * @default 700
   */
  stopMs?: Millis;

  /**
   * Processes of this agent at a time, and so its sessions at work. When none is free, the session that has been idle the
   * longest gives its own up, and its next turn takes one again by load or resume; an agent that can do neither keeps them.
   * Past it, with all at work, a turn fails with `process.limit`: try again.
   *
   * @default 32
   */
  processesMax?: number;
}

const RESULT_CHARS_MAX = 16_000_000;
const CANCEL_MS: Millis = 1_000;
const STOP_MS: Millis = 700;

/** Throws `config.invalid` on bounds that are none. What the program needs to start is checked when a session opens. */
export function acpAgent(options: AcpOptions): Agent {
  const { resultCharsMax = RESULT_CHARS_MAX, cancelMs = CANCEL_MS, stopMs = STOP_MS } = options;
  const { resumes = true, processesMax } = options;
  for (const [name, bound] of Object.entries({ resultCharsMax, cancelMs, stopMs })) {
    if (!(bound > 0))
      throw new SojournError('config.invalid', `${name} is ${bound}; a number above 0 is meant`);
  }
  const name = options.name ?? basename(options.command);
  const places = new Places(
    new Supervisor({ stopMs, ...(processesMax === undefined ? {} : { processesMax }) }),
  );
  return {
    capabilities: {
      rerun: resumes ? 'waiting' : 'never',
      steers: false,
      rewinds: false,
      forks: false,
      ownsHistory: true,
    },
    exclusive: true,
    async open(context, previous) {
      const start = (signal: AbortSignal): Promise<Peer> => started(options, name, places, context, signal);
      const parts = { name, context, resultCharsMax, cancelMs, resumes, places, start };
      const instance = new AcpInstance(parts, previous);
      await instance.open(context.signal);
      return instance;
    },
  };
}

async function started(
  options: AcpOptions,
  name: string,
  places: Places,
  { session, clock, logger }: OpenContext,
  signal: AbortSignal,
): Promise<Peer> {
  const { command, args = [], env, inherit, install, mcpServers = [] } = options;
  const cwd = typeof options.cwd === 'function' ? options.cwd(session) : options.cwd;
  const sdk = await loadSdk();
  signal.throwIfAborted();
  const given: StartOptions = {
    command,
    args,
    cwd,
    clock,
    logger,
    ...(env === undefined ? {} : { env }),
    ...(inherit === undefined ? {} : { inherit }),
    ...(install === undefined ? {} : { install }),
  };
  try {
    const subprocess = await places.start(given, signal);
    return new Peer({ sdk, name, subprocess, cwd, mcpServers, logger });
  } catch (error) {
    if (!SojournError.is(error, 'process.missing')) throw error;
    throw new SojournError('agent.package_missing', error.detail, { cause: error });
  }
}
