// Chromium: one browser process for all sessions of an agent.
//
//   B1. It starts with the first context and ends with the last one; those who come meanwhile share the starting.
//   B2. All it says to the network goes through our egress, and it is told nothing of our environment.
//   B3. It dies with us: it reads its commands from a pipe, and ends when nobody holds the other end.
//   B4. A browser that has crashed is forgotten: the next context starts another.
import { existsSync } from 'node:fs';
import type { Browser, BrowserContext } from 'playwright-core';
import { SojournError } from '../../kernel/errors.ts';
import { optionalPackage } from '../../kernel/optional-package.ts';
import { Egress, type EgressOptions } from './egress.ts';

export interface ChromiumOptions extends EgressOptions {
  executablePath: string | undefined;
  sandbox: boolean;
  env: Readonly<Record<string, string>>;
  launchMsMax: number;
  viewport: { width: number; height: number };
}

export interface Lease {
  readonly context: BrowserContext;
  readonly egress: Egress;
  /** The browser is there. */
  readonly alive: boolean;
  /** Closes the context, and the browser where it was the last. */
  release(): Promise<void>;
}

interface Running {
  browser: Browser;
  egress: Egress;
}

/** `leases` counts those given and those being made. */
type State = { kind: 'off' } | { kind: 'on'; running: Promise<Running>; leases: number };

/** Where a Chromium is found that nobody named, after the driver's own. */
const KNOWN_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Ways to the network that go round a proxy. */
const CLOSED_WAYS = [
  '--disable-quic',
  '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--dns-prefetch-disable',
  '--no-pings',
];

export class Chromium {
  readonly #options: ChromiumOptions;
  #state: State = { kind: 'off' };

  constructor(options: ChromiumOptions) {
    this.#options = options;
  }

  async lease(): Promise<Lease> {
    const state = this.#join();
    try {
      const { browser, egress } = await state.running;
      const context = await browser.newContext({
        acceptDownloads: false,
        serviceWorkers: 'block',
        viewport: this.#options.viewport,
      });
      let released: Promise<void> | undefined;
      const release = async (): Promise<void> => {
        try {
          if (browser.isConnected()) await context.close();
        } finally {
          await this.#leave(state);
        }
      };
      return {
        context,
        egress,
        get alive() {
          return released === undefined && browser.isConnected();
        },
        release: () => (released ??= release()),
      };
    } catch (error) {
      await this.#leave(state);
      throw error;
    }
  }

  /** B1. */
  #join(): Extract<State, { kind: 'on' }> {
    if (this.#state.kind === 'on') {
      this.#state.leases += 1;
      return this.#state;
    }
    const state = { kind: 'on' as const, running: this.#start(), leases: 1 };
    this.#state = state;
    state.running.then(
      ({ browser }) => browser.once('disconnected', () => this.#forget(state)), // B4
      () => this.#forget(state), // Told to whoever asked.
    );
    return state;
  }

  async #leave(state: Extract<State, { kind: 'on' }>): Promise<void> {
    state.leases -= 1;
    if (state.leases > 0) return;
    this.#forget(state);
    const running = await state.running.catch(() => undefined);
    await running?.browser.close();
    await running?.egress.close();
  }

  #forget(state: State): void {
    if (this.#state === state) this.#state = { kind: 'off' };
  }

  async #start(): Promise<Running> {
    const { executablePath, sandbox, env, launchMsMax } = this.#options;
    const { chromium } = await optionalPackage('playwright-core', () => import('playwright-core'));
    const egress = await Egress.open(this.#options);
    try {
      const browser = await chromium.launch({
        executablePath: executablePath ?? found(chromium.executablePath()),
        chromiumSandbox: sandbox,
        env: { ...env }, // B2
        args: CLOSED_WAYS,
        proxy: { server: egress.url }, // The driver sends loopback through it as well.
        timeout: launchMsMax,
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      });
      return { browser, egress };
    } catch (error) {
      await egress.close();
      throw error instanceof SojournError ? error : notStarted(error, sandbox);
    }
  }
}

function found(ownPath: string): string {
  const path = [ownPath, ...KNOWN_PATHS].find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  throw new SojournError(
    'agent.package_missing',
    'No Chromium was found: npx playwright-core install chromium, or name one in executablePath',
  );
}

/** The driver does not say what failed but in words. Its sandbox is what does most often: whoever has it on is told what to do. */
function notStarted(cause: unknown, sandbox: boolean): SojournError {
  const [why = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
  const hint = sandbox
    ? '; if its sandbox does not work here, run it as another user than root, or set sandbox to false where the machine itself is one'
    : '';
  return new SojournError('agent.failed', `Chromium did not start: ${why}${hint}`, { cause });
}
