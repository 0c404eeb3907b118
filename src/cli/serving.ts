// Serving: one server on one data folder, put together from its parts.
//
//   G1. What was opened before a failure is closed before the failure is told.
//   G2. The first token is made where there is no token file, written where only its owner can read it, and never shown.
//   G3. Stopping: no new work, running turns get their time, then all is put away; only then does the door close, so
//       that readers see how their turns end.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inProcessBus } from '../bus/in-process/in-process.ts';
import { http, type HttpOptions } from '../face/http/http.ts';
import { mcp } from '../face/mcp/mcp.ts';
import { createRuntime, type Runtime } from '../index.ts';
import { systemClock, type Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { jsonLogger, type Logger } from '../kernel/logger.ts';
import { sqliteStore } from '../store/sqlite/sqlite.ts';
import { SCOPES } from '../wire/access.ts';
import type { AgentChoice } from './agent-choice.ts';
import type { LoadedConfig } from './config.ts';
import { isForeignFolder } from './foreign-folder.ts';
import { LogFile } from './log-file.ts';
import { writeOwn } from './own-file.ts';
import { addressFile, tokenFile } from './place.ts';

export interface ServingOptions {
  folder: string;
  agents: AgentChoice;
  http: HttpOptions;
  /** Log lines go here instead of into the data folder. */
  log?: (line: string) => void;
  config?: LoadedConfig;
}

export interface Serving {
  readonly urls: readonly string[];
  readonly runtime: Runtime;
  /** The token file was made just now. */
  readonly newToken: boolean;
  /** Resolves with what was wrong once nothing can be stored any more. */
  readonly failed: Promise<Error>;
  /** G3. Idempotent; waits at most `graceMs` for turns. */
  stop(graceMs: Millis): Promise<void>;
}

/** Answers under way when the runtime has stopped get this long. */
const DOOR_MS: Millis = 1_000;

/** Throws `store.in_use`, `store.damaged`, `store.schema`, `config.invalid`. */
export async function openServing(options: ServingOptions): Promise<Serving> {
  const { folder } = options;
  if (isForeignFolder(folder)) {
    throw new SojournError(
      'config.invalid',
      `The data folder ${folder} holds other things, which would be closed to others; name one that is empty or not there yet, such as ${join(folder, '.sojourn')}`,
    );
  }
  const { logger, closeLog } = logTo(options);
  // What is wrong with the settings is said before anything is opened.
  const door = http({ ...options.http, logger, mounts: [mcp({ logger })] });
  const store = await sqliteStore({ folder, clock: systemClock, logger });
  const runtime = await runtimeOn(store, options, logger);
  const undo = async (): Promise<void> => {
    await runtime.shutdown(0);
    await closeLog();
  };
  try {
    const newToken = await ensureToken(runtime, folder);
    const face = await door.start(runtime);
    writeOwn(addressFile(folder), `${face.urls[0]}\n`);
    let stopping: Promise<void> | undefined;
    const stop = async (graceMs: Millis): Promise<void> => {
      await runtime.shutdown(graceMs);
      await face.close(DOOR_MS);
      rmSync(addressFile(folder), { force: true });
      await closeLog();
    };
    return {
      urls: face.urls,
      runtime,
      newToken,
      failed: store.failed,
      stop: (graceMs) => (stopping ??= stop(graceMs)),
    };
  } catch (error) {
    await undo(); // G1
    throw error;
  }
}

async function runtimeOn(
  store: Awaited<ReturnType<typeof sqliteStore>>,
  options: ServingOptions,
  logger: Logger,
): Promise<Runtime> {
  const { agents, defaultAgent } = options.agents;
  const { agents: _agents, defaultAgent: _default, ...settings } = options.config ?? { agents: {} };
  try {
    return await createRuntime({
      ...settings,
      store,
      bus: inProcessBus(logger),
      agents,
      defaultAgent,
      logger,
    });
  } catch (error) {
    await store.close(); // G1
    throw error;
  }
}

/** G2. True when it was made now. */
async function ensureToken(runtime: Runtime, folder: string): Promise<boolean> {
  const file = tokenFile(folder);
  if (existsSync(file)) return false;
  const token = await runtime.addToken({ name: 'first', scopes: SCOPES.filter((scope) => scope !== 'post') });
  writeOwn(file, `${token.secret}\n`);
  return true;
}

function logTo(options: ServingOptions): { logger: Logger; closeLog: () => Promise<void> } {
  if (options.log !== undefined) {
    return { logger: jsonLogger(options.log, () => systemClock.now()), closeLog: async () => undefined };
  }
  const file = new LogFile(join(options.folder, 'sojourn.log'));
  return {
    logger: jsonLogger(
      (line) => file.write(line),
      () => systemClock.now(),
    ),
    closeLog: () => file.close(),
  };
}
