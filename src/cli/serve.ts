// Serve: a server in this process, until it is told to stop.
//
//   A1. The first signal drains: new work is refused, running turns get ten seconds. The second one ends at once;
//       what was acknowledged is on disk either way.
//   A2. When nothing can be stored any more, it ends with a failure, so that whoever watches it starts it again.
import { readFileSync } from 'node:fs';
import type { HttpOptions } from '../face/http/http.ts';
import { systemClock } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { chooseAgents } from './agent-choice.ts';
import { announce } from './banner.ts';
import { COMMAND } from './command-name.ts';
import { Config, configFile } from './config.ts';
import { EXIT, Quit } from './exit.ts';
import { addressFile, dataFolder, DEFAULT_PORT, serverPort } from './place.ts';
import { Screen } from './screen.ts';
import { openServing, type Serving, type ServingOptions } from './serving.ts';
import type { StartOptions } from './start.ts';
import { watchConfig } from './watch-config.ts';
import type { World } from './world.ts';

const GRACE_MS = 10_000;
/** Under `npm start` one Ctrl-C arrives twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500;
/** Once the disk has failed, putting away is tried for so long. */
const FAILED_MS = 5_000;

export async function serve(world: World, options: StartOptions, watching: boolean): Promise<void> {
  const screen = new Screen(world, options.json === true);
  const signals = listen(world, screen);
  try {
    const file = configFile(world.cwd, options.config);
    if (watching && file === undefined) {
      throw new SojournError(
        'config.invalid',
        `There is no sojourn.config.ts to watch; \`${COMMAND} init\` writes one`,
      );
    }
    const config = file === undefined ? undefined : new Config(file);
    const loaded = await config?.load();
    const agents = await chooseAgents(world.env, loaded);
    const folder = dataFolder(world, options);
    const serving = await opened({
      folder,
      agents,
      http: httpOptions(world, options),
      ...(loaded === undefined ? {} : { config: loaded }),
      ...(options.log ? { log: (line: string) => void world.stderr.write(line) } : {}),
    });
    // Before anyone can know that it is there: no change may fall between.
    const watch = config && watching ? watchConfig(config, serving.runtime, screen) : undefined;
    announce(world, screen, { serving, agents, folder, configFile: file });
    const failure = await Promise.race([signals.first, serving.failed]);
    await watch?.close();
    if (failure !== undefined) await fail(world, screen, serving, failure);
    await serving.stop(GRACE_MS);
    screen.note('Stopped.');
  } finally {
    signals.end();
  }
}

async function opened(options: ServingOptions): Promise<Serving> {
  try {
    return await openServing(options);
  } catch (error) {
    if (SojournError.is(error, 'config.invalid') && error.detail.endsWith('is in use')) {
      const port = options.http.port ?? DEFAULT_PORT;
      const taken = `Port ${port} is taken; PORT or --port names another, and 0 picks a free one`;
      throw new SojournError('config.invalid', taken, { cause: error });
    }
    const address = readText(addressFile(options.folder));
    if (SojournError.is(error, 'store.in_use') && address !== '') {
      const owned = `${error.detail}, with its server at ${address}`;
      throw new SojournError('store.in_use', owned, { cause: error });
    }
    throw error;
  }
}

/** A2 */
async function fail(world: World, screen: Screen, serving: Serving, failure: Error): Promise<never> {
  screen.error(new SojournError('store.failed', failure.message, { cause: failure }));
  const timer = systemClock.after(FAILED_MS, () => world.exit(EXIT.failure));
  await serving.stop(0);
  timer.cancel();
  throw new Quit(EXIT.failure);
}

/** A1. `first` resolves with nothing at the first signal. */
function listen(world: World, screen: Screen): { first: Promise<undefined>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let firstMs: number | undefined;
  const heard = (): void => {
    const nowMs = systemClock.monotonic();
    if (firstMs !== undefined && nowMs - firstMs < SAME_SIGNAL_MS) return;
    if (firstMs !== undefined) world.exit(EXIT.interrupted);
    firstMs = nowMs;
    screen.note(`Stopping: running turns have ${GRACE_MS / 1_000} s. Once more to stop at once.`);
    resolve(undefined);
  };
  const ends = [world.onSignal('SIGINT', heard), world.onSignal('SIGTERM', heard)];
  return { first: promise, end: () => ends.forEach((end) => end()) };
}

function httpOptions(world: World, options: StartOptions): HttpOptions {
  const { allowHost, allowOrigin, behindProxy, trustedProxy } = options;
  const host = options.host ?? (world.env.HOST || undefined);
  return {
    port: options.port ?? serverPort(world),
    ...(host === undefined ? {} : { host }),
    ...(allowHost === undefined ? {} : { allowHosts: allowHost }),
    ...(allowOrigin === undefined ? {} : { allowOrigins: allowOrigin }),
    ...(behindProxy ? { behindProxy } : {}),
    ...(trustedProxy === undefined ? {} : { trustedProxies: trustedProxy }),
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
