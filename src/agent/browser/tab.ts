// Tab: the one page of a live session, and what can be done with it.
//
// Owns the page and its bounds. Not: the browser behind it (chromium.ts), where it may go (egress.ts), what a model is
// told of it (tools.ts).
//
//   P1. One thing at a time, in the order it was asked for.
//   P2. Everything is bounded: a navigation, an action, and what is read of a page. What runs over is an error, and the
//       page stays where it is.
//   P3. A page decides nothing beside itself: its dialogs are dismissed, its windows closed, its downloads refused, and
//       whoever reads it next is told so.
//   P4. A browser or a page that has died, or answers no more, is replaced by a new one with the next address.
import { stripVTControlCharacters } from 'node:util';
import type { Locator, Page, Request, Response } from 'playwright-core';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { Chromium, Lease } from './chromium.ts';

export interface TabLimits {
  navigationMsMax: Millis;
  actionMsMax: Millis;
  pageCharsMax: number;
}

export interface PageText {
  url: string;
  title: string;
  /** What is on the page, as an outline; `[ref=...]` names what can be clicked or typed into. */
  text: string;
  /** How many characters stand before and behind `text`. */
  before: number;
  behind: number;
  /** What the page tried meanwhile, and was not let (P3). */
  notes: readonly string[];
}

const NOTES_MAX = 10;
/** Run in a page: what its scripts began with a click has begun when it has drawn once more. */
const DRAWN = 'new Promise((drawn) => requestAnimationFrame(drawn))';
const IMAGE_BYTES_MAX = 3 * 1_024 * 1_024;
const FULL_PAGE_PX_MAX = 8_000;

export class Tab {
  readonly #chromium: Chromium;
  readonly #limits: TabLimits;
  readonly #clock: Clock;
  #open: { lease: Lease; page: Page; answers: boolean } | undefined;
  /** The last thing that was asked for; it never rejects (P1). */
  #last: Promise<unknown> = Promise.resolve();
  #notes: string[] = [];
  /** Where the page was last on its way to, by itself or by us. */
  #heading: string | undefined;
  /** It is on its way, and has not arrived. */
  #arrival: PromiseWithResolvers<void> | undefined;

  constructor(chromium: Chromium, limits: TabLimits, clock: Clock) {
    this.#chromium = chromium;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Throws `page.forbidden` and `page.failed`. */
  open(address: string, signal: AbortSignal): Promise<PageText> {
    return this.#inTurn(signal, async () => {
      const url = URL.canParse(address) ? new URL(address) : undefined;
      if (url === undefined) {
        throw new SojournError('page.forbidden', `${JSON.stringify(address.slice(0, 200))} is no address`);
      }
      const { page, lease } = await this.#ready();
      const refused = await lease.egress.refusal(url);
      if (refused !== undefined) throw new SojournError('page.forbidden', refused);
      await this.#going(`${url.href} was not opened`, async () =>
        page.goto(url.href, { waitUntil: 'load', timeout: this.#limits.navigationMsMax, signal }),
      );
      return this.#text(0, signal);
    });
  }

  read(from: number, signal: AbortSignal): Promise<PageText> {
    return this.#inTurn(signal, () => this.#text(from, signal));
  }

  click(ref: string, signal: AbortSignal): Promise<PageText> {
    return this.#inTurn(signal, async () => {
      const timeout = this.#limits.actionMsMax;
      await this.#acting(ref, `${ref} was not clicked`, signal, (element) =>
        element.click({ timeout, signal }),
      );
      return this.#text(0, signal);
    });
  }

  /** Replaces what is there; `submit` presses Enter behind it. */
  type(ref: string, text: string, submit: boolean, signal: AbortSignal): Promise<PageText> {
    return this.#inTurn(signal, async () => {
      const timeout = this.#limits.actionMsMax;
      await this.#acting(ref, `Nothing was typed into ${ref}`, signal, async (element) => {
        await element.fill(text, { timeout, signal });
        if (submit) await element.press('Enter', { timeout, signal });
      });
      return this.#text(0, signal);
    });
  }

  /** What is to be seen, as PNG, or as JPEG where that would be too large. */
  screenshot(
    whole: boolean,
    signal: AbortSignal,
  ): Promise<{ url: string; mediaType: string; bytes: Buffer }> {
    return this.#inTurn(signal, async () => {
      const page = this.#opened();
      const timeout = this.#limits.actionMsMax;
      const common = { timeout, signal, animations: 'disabled', ...(whole ? wholePage(page) : {}) } as const;
      return this.#guarded('No picture was taken', async () => {
        const png = await page.screenshot({ ...common, type: 'png' });
        if (png.byteLength <= IMAGE_BYTES_MAX) return { url: page.url(), mediaType: 'image/png', bytes: png };
        const jpeg = await page.screenshot({ ...common, type: 'jpeg', quality: 70 });
        return { url: page.url(), mediaType: 'image/jpeg', bytes: jpeg };
      });
    });
  }

  async close(): Promise<void> {
    const { lease } = this.#open ?? {};
    this.#open = undefined;
    await lease?.release();
  }

  /** P1. */
  #inTurn<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(async () => {
      signal.throwIfAborted();
      return work();
    });
    this.#last = done.catch(() => undefined); // Told to whoever asked.
    return done;
  }

  #opened(): Page {
    const { lease, page } = this.#open ?? {};
    if (page !== undefined && lease?.alive === true && !page.isClosed()) return page;
    throw new SojournError('page.failed', 'No page is open: open an address first');
  }

  /** P4. */
  async #ready(): Promise<{ lease: Lease; page: Page }> {
    const open = this.#open;
    if (open?.lease.alive === true && open.answers && !open.page.isClosed()) return open;
    if (open?.lease.alive !== true) await this.close();
    const lease = open?.lease.alive === true ? open.lease : await this.#chromium.lease();
    try {
      const page = await lease.context.newPage();
      this.#watch(page);
      this.#open = { lease, page, answers: true };
      void open?.page.close().catch(() => undefined); // One that answers no more may not say that it has closed.
      return this.#open;
    } catch (error) {
      this.#open = undefined;
      await lease.release();
      throw error;
    }
  }

  /** P3. What is done for a page that is going away may fail; then there is nothing left to do. */
  #watch(page: Page): void {
    const settled = (work: Promise<unknown>): void => void work.catch(() => undefined);
    page.on('dialog', (dialog) => {
      if (dialog.type() === 'beforeunload') return settled(dialog.accept()); // It keeps nobody.
      this.#note(`A dialog said ${JSON.stringify(dialog.message().slice(0, 200))} and was dismissed.`);
      settled(dialog.dismiss());
    });
    page.on('download', (download) => {
      this.#note(`A download of ${download.url().slice(0, 200)} was refused.`);
      settled(download.cancel());
    });
    page.on('crash', () => {
      this.#note('The page crashed.');
      settled(page.close());
    });
    const isLeaving = (request: Request): boolean =>
      request.isNavigationRequest() && request.frame() === page.mainFrame();
    const arrive = (): void => {
      this.#arrival?.resolve();
      this.#arrival = undefined;
    };
    page.on('request', (request) => {
      if (!isLeaving(request)) return;
      this.#heading = request.url();
      this.#arrival ??= Promise.withResolvers();
    });
    page.on('requestfailed', (request) => isLeaving(request) && arrive());
    page.on('framenavigated', (frame) => frame === page.mainFrame() && arrive());
    page.on('close', arrive);
    page.on('popup', (other) => {
      this.#note(`A new window was closed${addressOf(other)}.`);
      settled(other.close());
    });
  }

  #note(text: string): void {
    if (this.#notes.length < NOTES_MAX) this.#notes.push(text);
  }

  /** Does what may end on another page, and says where it was refused. */
  async #going(what: string, go: () => Promise<Response | null | void>): Promise<void> {
    this.#heading = undefined;
    const response = await this.#guarded(what, go);
    if (response?.status() === 403) this.#throwRefused(what);
  }

  async #acting(
    ref: string,
    what: string,
    signal: AbortSignal,
    act: (element: Locator) => Promise<void>,
  ): Promise<void> {
    const page = this.#opened();
    if (!/^[a-z0-9]{1,20}$/i.test(ref)) {
      throw new SojournError('page.failed', `${JSON.stringify(ref.slice(0, 50))} is no ref of this page`);
    }
    await this.#going(what, () => act(page.locator(`aria-ref=${ref}`)));
    // Where it leads elsewhere, the next page is read; where it does not load in time, what there is of it.
    const { navigationMsMax: timeout } = this.#limits;
    const settled = (work: Promise<unknown>, ms: Millis): Promise<unknown> =>
      this.#bounded(work, signal, ms).catch(() => undefined);
    await settled(page.evaluate(DRAWN), this.#limits.actionMsMax);
    if (this.#arrival !== undefined) await settled(this.#arrival.promise, timeout);
    await settled(page.waitForLoadState('load', { timeout }), timeout);
    signal.throwIfAborted();
    this.#throwRefused(what);
  }

  async #text(from: number, signal: AbortSignal): Promise<PageText> {
    const page = this.#opened();
    const { actionMsMax: timeout, pageCharsMax } = this.#limits;
    const [whole, title] = await this.#guarded('The page could not be read', async () => {
      try {
        return [
          await page.ariaSnapshot({ mode: 'ai', timeout, signal }),
          await this.#bounded(page.title(), signal),
        ];
      } catch (error) {
        if (this.#open?.page === page) this.#open.answers = false; // P4
        throw error;
      }
    });
    const before = Math.min(from, whole.length);
    const text = whole.slice(before, before + pageCharsMax).toWellFormed();
    const notes = this.#notes;
    this.#notes = [];
    return {
      url: page.url(),
      title: title.slice(0, 300),
      text,
      before,
      behind: whole.length - before - text.length,
      notes,
    };
  }

  /** P2, for what the driver does not bound itself. */
  async #bounded<Result>(
    work: Promise<Result>,
    signal: AbortSignal,
    ms = this.#limits.actionMsMax,
  ): Promise<Result> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = this.#clock.after(ms, () => reject(new Error(`Timeout ${ms}ms exceeded`)));
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([work, promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  async #guarded<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof SojournError) throw cause;
      this.#throwRefused(what, cause);
      throw new SojournError('page.failed', `${what}: ${reasonOf(cause)}`, { cause });
    }
  }

  /** Where it was on the way to a host that the egress refused. */
  #throwRefused(what: string, cause?: unknown): void {
    const { lease } = this.#open ?? {};
    const url = URL.canParse(this.#heading ?? '') ? new URL(this.#heading ?? '') : undefined;
    const refused = url === undefined ? undefined : lease?.egress.wasRefused(url);
    if (refused !== undefined) throw new SojournError('page.forbidden', `${what}: ${refused}`, { cause });
  }
}

/** As much of it as a picture may hold; the driver cuts it where the page ends. */
function wholePage(page: Page) {
  const { width, height } = page.viewportSize() ?? { width: 1_280, height: 800 };
  return { fullPage: true, clip: { x: 0, y: 0, width, height: Math.max(height, FULL_PAGE_PX_MAX) } } as const;
}

const addressOf = (page: Page): string =>
  /^https?:/.test(page.url()) ? `: it was to show ${page.url().slice(0, 300)}` : '';

/** The first line of what the driver says, without its colours and its own name for the call. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const [line = ''] = stripVTControlCharacters(text).split('\n', 1);
  return line
    .replace(/^(?:[a-z]+\.[a-zA-Z]+: )?(?:Error: )?/, '')
    .slice(0, 300)
    .replace(/[.\s]+$/, '');
}
