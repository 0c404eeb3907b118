// Nearby: the server of the data folder, or one that is started here because there is none.
//
//   NB1. A server that somebody has named is used as it is; none is started in its place.
//   NB2. Of several that start at the same time one has the folder, and the others find it.
//   NB3. One that was started here lasts as long as whoever asked for it.
import { systemClock, type Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { chooseAgents } from './agent-choice.ts';
import { Config, configFile } from './config.ts';
import { dataFolder, namedUrl, serverToken, type PlaceOptions } from './place.ts';
import { openServing, type Serving } from './serving.ts';
import type { World } from './world.ts';

/** One that leaves may wait ten seconds for its turns. */
const TRIES_MAX = 150;
const TRY_MS: Millis = 100;
const GRACE_MS: Millis = 10_000;

export interface Place {
  url: string;
  token: string | undefined;
}

export class Nearby {
  readonly #world: World;
  readonly #options: PlaceOptions & { config?: string };
  readonly #tell: (line: string) => void;
  #found: Promise<Place> | undefined;
  #own: Serving | undefined;

  constructor(world: World, options: PlaceOptions & { config?: string }, tell: (line: string) => void) {
    this.#world = world;
    this.#options = options;
    this.#tell = tell;
  }

  /** `lost`: the one found before does not answer. */
  locate(lost = false): Promise<Place> {
    if (lost && this.#own === undefined) this.#found = undefined;
    this.#found ??= this.#find().catch((error: unknown) => {
      this.#found = undefined;
      throw error;
    });
    return this.#found;
  }

  /** NB3. */
  async close(): Promise<void> {
    await this.#own?.stop(GRACE_MS);
  }

  async #find(): Promise<Place> {
    const given = this.#options.url ?? (this.#world.env.SOJOURN_URL || undefined);
    if (given !== undefined) return this.#at(given); // NB1
    for (let left = TRIES_MAX; ; left--) {
      const url = namedUrl(this.#world, this.#options);
      if (url !== undefined && (await isThere(this.#at(url)))) return this.#at(url);
      try {
        return await this.#start();
      } catch (error) {
        // NB2: whoever has the folder is about to say where it listens.
        if (!SojournError.is(error, 'store.in_use') || left === 0) throw error;
      }
      await new Promise<void>((resolve) => void systemClock.after(TRY_MS, resolve, 'keeps-alive'));
    }
  }

  async #start(): Promise<Place> {
    const { env, cwd } = this.#world;
    const folder = dataFolder(this.#world, this.#options);
    const file = configFile(cwd, this.#options.config);
    const config = await (file === undefined ? undefined : new Config(file).load());
    const agents = await chooseAgents(env, config);
    if (agents.warning !== undefined) this.#tell(agents.warning);
    // Any port: the address is in the data folder, and 4242 may be somebody else's.
    const http = { port: 0 };
    const own = await openServing({ folder, agents, http, ...(config === undefined ? {} : { config }) });
    this.#own = own;
    const url = own.urls[0] ?? '';
    this.#tell(`Started a server on ${folder}, at ${url}`);
    return this.#at(url);
  }

  #at(url: string): Place {
    return { url: url.replace(/\/$/, ''), token: serverToken(this.#world, this.#options) };
  }
}

/** Not one that is leaving. Whether the token is good is the caller's business. */
async function isThere({ url, token }: Place): Promise<boolean> {
  const headers = new Headers(token === undefined ? [] : [['Authorization', `Bearer ${token}`]]);
  try {
    const response = await fetch(`${url}/readyz`, { headers });
    await response.body?.cancel();
    return response.status !== 503;
  } catch {
    return false;
  }
}
