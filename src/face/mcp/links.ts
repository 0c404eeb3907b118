// Links: the connections of clients that speak a revision before 2026-07-28, which open one with `initialize`.
//
//   LI1. A link belongs to the token that opened it. To any other it is as if it were not there.
//   LI2. At most `linksMax`, and `linksPerCredentialMax` of one token: past that the least recently used one without a
//        request under way goes. One that was not used for `linkIdleMs` goes too. Its client hears 404 and opens another.
//   LI3. Losing the connection is not taking a request back: the answer is remembered, and a client that comes back with
//        the id of the last event it saw gets what it missed. Only `notifications/cancelled` takes back.
//   LI4. When its token ends, a link ends.
import {
  isInitializeRequest,
  WebStandardStreamableHTTPServerTransport,
  type AuthInfo,
} from '@modelcontextprotocol/server';
import type { Clock, Millis, Timer } from '../../kernel/clock.ts';
import type { Caller } from '../../wire/access.ts';
import type { MountedCall } from '../mount.ts';
import type { EndpointParts, MakeServer } from './endpoint.ts';
import { Missed } from './missed.ts';
import { refusal } from './refusal.ts';

export interface LinkLimits {
  linksMax: number;
  linksPerCredentialMax: number;
  linkIdleMs: Millis;
  /** What one link remembers for a client that comes back: messages, and characters. */
  missedMax: number;
  missedCharsMax: number;
}

export const DEFAULT_LINK_LIMITS: Readonly<LinkLimits> = Object.freeze({
  linksMax: 1_000,
  linksPerCredentialMax: 100,
  linkIdleMs: 30 * 60_000,
  missedMax: 1_000,
  missedCharsMax: 1_024 * 1_024,
});

const SWEEP_MS: Millis = 60_000;
const SECRET_BYTES = 24;

interface Link {
  readonly id: string;
  readonly caller: Caller;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  /** Requests whose answers are not over. */
  open: number;
  usedMs: Millis;
  ending: boolean;
  unwatch: () => void;
}

export class Links {
  readonly #make: MakeServer;
  readonly #parts: EndpointParts;
  readonly #clock: Clock;
  /** Least recently used first. */
  readonly #links = new Map<string, Link>();
  #sweep: Timer | undefined;

  constructor(make: MakeServer, parts: EndpointParts) {
    this.#make = make;
    this.#parts = parts;
    this.#clock = parts.clock;
  }

  async answer(call: MountedCall, body: unknown, authInfo: AuthInfo): Promise<Response> {
    const id = call.request.headers.get('mcp-session-id');
    const link = id === null ? await this.#begun(call, body) : this.#links.get(id);
    if (link === undefined || !isOwn(link, call.caller)) {
      if (id === null) return refusal(400, -32_000, 'Open a connection first, with initialize');
      return refusal(404, -32_001, 'There is no such connection: open one with initialize'); // LI1
    }
    this.#use(link, call.request.signal);
    return link.transport.handleRequest(call.request, {
      authInfo,
      ...(body === undefined ? {} : { parsedBody: body }),
    });
  }

  /** Ends the streams on which nothing is awaited. */
  quiet(): void {
    for (const { transport } of this.#links.values()) transport.closeStandaloneSSEStream();
  }

  async close(): Promise<void> {
    this.#sweep?.cancel();
    await Promise.all([...this.#links.values()].map((link) => this.#end(link)));
  }

  /** A link for a client that opens one; undefined for anything else. */
  async #begun({ caller }: MountedCall, body: unknown): Promise<Link | undefined> {
    if (!isInitializeRequest(body)) return undefined;
    const { ids, limits, runtime, note } = this.#parts;
    this.#makeRoom(caller);
    const id = ids.secret(SECRET_BYTES);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      eventStore: new Missed(limits), // LI3
    });
    const link: Link = {
      id,
      caller,
      transport,
      open: 0,
      usedMs: this.#clock.monotonic(),
      ending: false,
      unwatch: () => undefined,
    };
    this.#links.set(id, link);
    const server = this.#make({
      caller,
      era: 'legacy',
      takenBack: () => !link.ending, // LI3
      lacks: () => undefined,
    });
    transport.onerror = note;
    await server.connect(transport);
    const { onclose } = transport;
    transport.onclose = () => {
      this.#forget(link);
      onclose?.();
    };
    // LI4. Closing tells whoever waits; a failure to do so is the client's loss only.
    link.unwatch = runtime.watchToken(caller, () => void this.#end(link).catch(note));
    this.#sweep ??= this.#clock.after(SWEEP_MS, () => this.#expire());
    return link;
  }

  #use(link: Link, over: AbortSignal): void {
    this.#links.delete(link.id);
    this.#links.set(link.id, link);
    link.open++;
    const done = (): void => {
      link.open--;
      link.usedMs = this.#clock.monotonic();
    };
    if (over.aborted) done();
    else over.addEventListener('abort', done, { once: true });
  }

  /** LI2. What leaves is ended beside; nobody waits for it here. */
  #makeRoom(caller: Caller): void {
    const { linksMax, linksPerCredentialMax } = this.#parts.limits;
    const own = [...this.#links.values()].filter((link) => isOwn(link, caller));
    const crowd = own.length >= linksPerCredentialMax ? own : [...this.#links.values()];
    if (crowd !== own && crowd.length < linksMax) return;
    const victim = crowd.find((link) => link.open === 0) ?? crowd[0];
    if (victim !== undefined) this.#end(victim).catch(this.#parts.note);
  }

  #expire(): void {
    this.#sweep = undefined;
    const oldestMs = this.#clock.monotonic() - this.#parts.limits.linkIdleMs;
    for (const link of this.#links.values()) {
      if (link.open === 0 && link.usedMs < oldestMs) this.#end(link).catch(this.#parts.note);
    }
    if (this.#links.size > 0) this.#sweep = this.#clock.after(SWEEP_MS, () => this.#expire());
  }

  /** Requests under way are aborted, and know that nobody took them back. */
  async #end(link: Link): Promise<void> {
    link.ending = true;
    this.#forget(link);
    await link.transport.close();
  }

  #forget(link: Link): void {
    link.ending = true;
    link.unwatch();
    this.#links.delete(link.id);
  }
}

/** LI1. */
function isOwn(link: Link, caller: Caller): boolean {
  return link.caller.token === caller.token && link.caller.project === caller.project;
}
