// Mcp: the command that a client of the Model Context Protocol starts, to speak to the server over two pipes.
//
//   MP1. On stdout there is nothing but the protocol: whatever else is written there, by whomever, goes to stderr.
import type { Command } from 'commander';
import { systemClock, type Millis } from '../kernel/clock.ts';
import type { PlaceOptions } from './place.ts';
import type { World } from './world.ts';

/** What is under way when the client closes its end may end. */
const GRACE_MS: Millis = 10_000;

interface McpCommandOptions extends PlaceOptions {
  config?: string;
}

export function addMcp(program: Command, world: World): void {
  program
    .command('mcp')
    .description('speak the Model Context Protocol on stdin and stdout, for clients that start their servers')
    .option(
      '-c, --config <file>',
      'where a server has to be started: default sojourn.config.ts, where there is one',
    )
    .action(async (_options: object, command: Command) => {
      await speak(world, command.optsWithGlobals<McpCommandOptions>());
    });
}

async function speak(world: World, options: McpCommandOptions): Promise<void> {
  const protocol = keepClean(world);
  const [{ Bridge }, { Nearby }] = await Promise.all([import('./mcp-bridge.ts'), import('./nearby.ts')]);
  const nearby = new Nearby(world, options, (line) => void world.stderr.write(`${line}\n`));
  const { project } = options;
  const bridge = new Bridge({
    clock: systemClock,
    write: protocol.write,
    locate: async (lost) => {
      const { url, token } = await nearby.locate(lost);
      const headers = {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(project === undefined ? {} : { 'Sojourn-Project': project }),
      };
      return { url, headers };
    },
  });
  const hurry = new AbortController();
  const end = (): void => {
    hurry.abort();
    world.stdin.destroy();
  };
  const signals = [world.onSignal('SIGINT', end), world.onSignal('SIGTERM', end)];
  try {
    await nearby.locate();
    await bridge.run(heard(world.stdin, hurry.signal), GRACE_MS, hurry.signal);
  } finally {
    for (const stop of signals) stop();
    await nearby.close();
    protocol.end();
  }
}

/** What the client says, until it ends or is cut off by a signal. */
async function* heard(input: World['stdin'], hurry: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of input) yield chunk as Uint8Array;
  } catch (error) {
    if (!hurry.aborted) throw error;
  }
}

/** MP1 */
function keepClean(world: World): { write: (line: string) => void; end: () => void } {
  const { stdout, stderr } = world;
  const own = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  return {
    write: (line) => void own(line),
    end: () => {
      stdout.write = own;
    },
  };
}
