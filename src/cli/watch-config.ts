// Watch config: a config that changes while its server runs.
//
//   W1. A change is taken up whole or not at all: a config that is wrong leaves the agents as they were, and is said.
//   W2. No running turn is touched: sessions are marked dirty, and remade at their next safe point.
//   W3. Changes that come while one is being taken up are taken up after it, once.
import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Runtime } from '../index.ts';
import { systemClock, type Timer } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Config } from './config.ts';
import type { Screen } from './screen.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 100;

export function watchConfig(config: Config, runtime: Runtime, screen: Screen): { close(): Promise<void> } {
  return new ConfigWatch(config, runtime, screen);
}

class ConfigWatch {
  readonly #config: Config;
  readonly #runtime: Runtime;
  readonly #screen: Screen;
  readonly #folders = new Map<string, FSWatcher>();
  #timer: Timer | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(config: Config, runtime: Runtime, screen: Screen) {
    this.#config = config;
    this.#runtime = runtime;
    this.#screen = screen;
    this.#watchFolders();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    for (const watcher of this.#folders.values()) watcher.close();
    await this.#reloading;
  }

  /** Folders and not files: many editors replace a file by a new one of its name. */
  #watchFolders(): void {
    const wanted = new Set([...this.#config.files].map((file) => dirname(file)));
    for (const folder of wanted) {
      if (this.#folders.has(folder)) continue;
      const watcher = watch(folder, (_kind, name) => {
        if (name !== null && this.#concerns(folder, name)) this.#changed();
      });
      watcher.on('error', (error) =>
        this.#screen.warn(`${folder} is not watched any more: ${error.message}`),
      );
      this.#folders.set(folder, watcher);
    }
  }

  #concerns(folder: string, name: string): boolean {
    return [...this.#config.files].some((file) => dirname(file) === folder && basename(file) === name);
  }

  #changed(): void {
    this.#timer?.cancel();
    this.#timer = systemClock.after(SETTLE_MS, () => {
      this.#reloading = this.#reloading.then(() => this.#reload()); // W3
    });
  }

  /** Never rejects. */
  async #reload(): Promise<void> {
    try {
      const { agents, defaultAgent } = await this.#config.load();
      this.#runtime.replaceAgents(agents, defaultAgent);
      let marked = 0;
      for (const agent of Object.keys(agents)) {
        marked += (await this.#runtime.dirty({ agent, reason: 'config_changed' })).marked; // W2
      }
      const live = marked === 1 ? '1 live session is' : `${marked} live sessions are`;
      this.#screen.note(`The config changed: ${live} remade before the next turn.`);
    } catch (error) {
      const why = error instanceof SojournError ? error.detail : String(error);
      this.#screen.warn(`The config changed, but is not taken up: ${why}`); // W1
    }
    this.#watchFolders();
  }
}
