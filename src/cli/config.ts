// Config: the user's own sojourn.config.ts, loaded, and loaded anew.
//
//   O1. `sojourn` and its subpaths are, for a config, this very package: whether it is installed there or not, there is
//       one copy of it in the process.
//   O2. A reload imports the config and all of the user's own files that it imports anew; packages stay as they are.
//   O3. What it exports is checked before anybody uses it: a config that is wrong changes nothing.
//   O4. The config and the user's own .ts files are ES modules, whatever the package.json beside them says: npm writes
//       "commonjs" into a new one.
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Agent, AgentFunction } from '../agent/agent.ts';
import { functionAgent } from '../agent/function/function.ts';
import type { SojournConfig } from '../index.ts';
import { SojournError } from '../kernel/errors.ts';

export const CONFIG_NAMES = [
  'sojourn.config.ts',
  'sojourn.config.mts',
  'sojourn.config.js',
  'sojourn.config.mjs',
];

/** The path of the config in the folder; undefined when there is none. */
export function configFile(folder: string, named?: string): string | undefined {
  if (named !== undefined) return resolve(folder, named);
  return CONFIG_NAMES.map((name) => join(folder, name)).find((file) => existsSync(file));
}

/** All the settings of the config, with its agents ready to be registered. */
export type LoadedConfig = Omit<SojournConfig, 'agents'> & { agents: Readonly<Record<string, Agent>> };

export class Config {
  readonly file: string;
  /** The user's own files that the last load went through. */
  readonly files = new Set<string>();
  #round = 0;

  constructor(file: string) {
    this.file = file;
    registerHooks({
      resolve: (specifier, context, next) => {
        if (/^sojourn(\/|$)/.test(specifier)) {
          return next(specifier, { ...context, parentURL: import.meta.url, conditions: CONDITIONS }); // O1
        }
        const found = next(specifier, context);
        if (this.#isOurs(found.url)) return { ...found, ...formatOf(this.file) };
        if (!this.#isOurs(context.parentURL) || !isUserFile(found.url)) return found;
        const file = fileURLToPath(found.url);
        this.files.add(file);
        return { ...found, ...formatOf(file), url: `${found.url}?${ROUND}=${this.#round}` }; // O2
      },
    });
  }

  /** Throws `config.invalid`; then the files to watch are known all the same. */
  async load(): Promise<LoadedConfig> {
    this.#round += 1;
    this.files.clear();
    this.files.add(this.file);
    if (!existsSync(this.file)) throw new SojournError('config.invalid', `There is no file ${this.file}`);
    let module: { default?: unknown };
    try {
      module = (await import(`${pathToFileURL(this.file).href}?${ROUND}=${this.#round}`)) as typeof module;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SojournError('config.invalid', `${placeOf(cause) ?? this.file}: ${reason}`, { cause });
    }
    return checked(this.file, module.default);
  }

  #isOurs(parent: string | undefined): boolean {
    return parent !== undefined && parent.endsWith(`?${ROUND}=${this.#round}`);
  }
}

const SETTINGS: Record<keyof SojournConfig, true> = {
  agents: true,
  defaultAgent: true,
  limits: true,
  hooks: true,
  prices: true,
  summariser: true,
};

const ROUND = 'sojourn-round';
/** From a clone the sources are run as they are. */
const CONDITIONS = ['node', 'import', ...(import.meta.url.endsWith('.ts') ? ['sojourn-source'] : [])];

/** O4 */
function formatOf(file: string): { format?: string } {
  return file.endsWith('.ts') ? { format: 'module-typescript' } : {};
}

/** File and line of the user's own that it came from. */
function placeOf(cause: unknown): string | undefined {
  const stack = cause instanceof Error ? (cause.stack ?? '') : '';
  const [, url, line] = new RegExp(`(file://\\S+?)\\?${ROUND}=\\d+:(\\d+)`).exec(stack) ?? [];
  return url === undefined ? undefined : `${fileURLToPath(url)}:${line}`;
}

function isUserFile(url: string): boolean {
  return url.startsWith('file:') && !url.includes('/node_modules/') && !url.includes('?');
}

/** O3 */
function checked(file: string, exported: unknown): LoadedConfig {
  const wrong = (what: string): SojournError => new SojournError('config.invalid', `${file}: ${what}`);
  if (typeof exported !== 'object' || exported === null) {
    throw wrong('it needs `export default defineConfig({ agents: { ... } })`');
  }
  const { agents, ...rest } = exported as SojournConfig;
  if (typeof agents !== 'object' || agents === null || Object.keys(agents).length === 0) {
    throw wrong('agents must name at least one agent');
  }
  const unknown = Object.keys(rest).find((name) => !Object.hasOwn(SETTINGS, name));
  if (unknown !== undefined) {
    throw wrong(`there is no setting ${unknown}; there are ${Object.keys(SETTINGS).join(', ')}`);
  }
  const ready: Record<string, Agent> = {};
  for (const [name, agent] of Object.entries<unknown>(agents)) {
    if (typeof agent === 'function') ready[name] = functionAgent(agent as AgentFunction);
    else if (isAgent(agent)) ready[name] = agent;
    else throw wrong(`agents.${name} is neither an agent nor an async generator function`);
  }
  if (rest.defaultAgent !== undefined && !Object.hasOwn(ready, rest.defaultAgent)) {
    throw wrong(`defaultAgent is ${JSON.stringify(rest.defaultAgent)}, which agents does not name`);
  }
  if (rest.summariser !== undefined && typeof rest.summariser?.summarise !== 'function') {
    throw wrong(
      'summariser must be a Summariser, for example modelSummariser(model) of sojourn/agent/ai-sdk',
    );
  }
  return { ...rest, agents: ready };
}

function isAgent(value: unknown): value is Agent {
  return (
    typeof value === 'object' &&
    value !== null &&
    'open' in value &&
    typeof value.open === 'function' &&
    'capabilities' in value
  );
}
