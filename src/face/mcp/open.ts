// Open: the endpoint with all tools, put together. Everything that needs the library of the protocol stands behind this file.
import type { Clock } from '../../kernel/clock.ts';
import type { Ids } from '../../kernel/ids.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import { Endpoint } from './endpoint.ts';
import { DEFAULT_LINK_LIMITS } from './links.ts';
import { serverFor, type ServerParts } from './server.ts';
import { sessionTools } from './session-tools.ts';
import { timelineTools } from './timeline-tools.ts';
import type { Tool } from './tool.ts';
import { turnTools } from './turn-tools.ts';

/** Of what is spoken here, not of the package. */
const VERSION = '1';
/** What the library says of a message may repeat it. */
const NOTE_CHARS_MAX = 200;

export function allTools({ clock, ids }: { clock: Clock; ids: Ids }): readonly Tool[] {
  return [...timelineTools, ...sessionTools(ids), ...turnTools(clock)];
}

export function openEndpoint(
  runtime: RuntimeCalls,
  outside: { logger: Logger; clock: Clock; ids: Ids },
): Endpoint {
  const { logger, clock, ids } = outside;
  const parts: ServerParts = {
    runtime,
    tools: allTools(outside),
    ids,
    version: VERSION,
    report: (error, requestId) => {
      const { stack, cause } = error instanceof Error ? error : {};
      logger.error('mcp.defect', { requestId, error, stack, cause });
    },
    unnamed: (tool, code) => logger.error('mcp.unnamed_code', { tool, code }),
  };
  return new Endpoint((line) => serverFor(line, parts), {
    runtime,
    clock,
    ids,
    limits: DEFAULT_LINK_LIMITS,
    note: (error) => logger.info('mcp.refused', { error: error.message.slice(0, NOTE_CHARS_MAX) }),
  });
}
