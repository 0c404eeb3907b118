// What the browser's tests share: pages on this machine, and a model that does what it is told.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ToolLoopAgent } from 'ai';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import type { Agent, AgentEvent, AgentTurn } from '../src/agent/agent.ts';
import { browserAgent, type BrowserAgentOptions, type BrowserTools } from '../src/agent/browser/browser.ts';
import { testChromium } from './chromium.ts';
import { obedient, type Prompt, type Step } from './model-stand-in.ts';

/** A body, or more than that; null never answers. */
export type Page = string | { status?: number; headers?: Record<string, string>; body?: string } | null;

/** Serves pages by path, and remembers who came. */
export class Pages {
  /** Paths that were asked for, the first first. */
  readonly visits: string[] = [];
  readonly #waiting = new Map<string, () => void>();
  readonly #server: Server;
  readonly #pages: Record<string, Page>;

  private constructor(pages: Record<string, Page>) {
    this.#pages = pages;
    this.#server = createServer((request, response) => {
      this.visits.push(request.url ?? '');
      this.#waiting.get(request.url ?? '')?.();
      const page = this.#pageAt(request);
      if (page === null) return;
      const { status = 200, headers = {}, body = '' } = typeof page === 'string' ? { body: page } : page;
      response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', ...headers });
      response.end(body);
    });
  }

  static async serve(pages: Record<string, Page>): Promise<Pages> {
    const served = new Pages(pages);
    await new Promise<void>((resolve) => served.#server.listen(0, '127.0.0.1', resolve));
    return served;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As a host to allow. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  at(path: string): string {
    return `http://${this.host}${path}`;
  }

  add(path: string, page: Page): void {
    this.#pages[path] = page;
  }

  /** Resolves when somebody asks for this path. */
  visited(path: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(path, resolve));
  }

  #pageAt({ url = '' }: IncomingMessage): Page {
    const page = this.#pages[url.split('?')[0] ?? ''];
    return page === undefined ? { status: 404, body: 'Nothing here' } : page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The ref of what the page shows by this name, as a model would read it. */
export function refOf(seen: string, name: string): string {
  const at = seen.indexOf(name);
  const ref = /\[ref=([a-z0-9]+)\]/.exec(seen.slice(at))?.[1];
  if (at < 0 || ref === undefined) throw new Error(`There is no ${name} in ${seen}`);
  return ref;
}

/** An agent with the tools of a browser that is there already. */
export function onTools(tools: (turn: AgentTurn) => BrowserTools, steps: readonly Step[]) {
  const { mock, prompts } = obedient(...steps);
  const agent = aiSdkAgent(
    (turn) => new ToolLoopAgent({ model: mock, tools: tools(turn), onError: () => {} }),
  );
  return { agent, prompts };
}

/** An agent with a browser of its own. */
export async function browsing(
  steps: readonly Step[],
  options: Partial<BrowserAgentOptions> = {},
): Promise<{ agent: Agent; prompts: readonly Prompt[] }> {
  const { mock, prompts } = obedient(...steps);
  return { agent: aiSdkAgent(browserAgent({ model: mock, ...(await testChromium()), ...options })), prompts };
}

type Returned = Extract<AgentEvent, { kind: 'tool.returned' }>;

export const returned = (events: readonly AgentEvent[]): Returned[] =>
  events.filter((event): event is Returned => typeof event === 'object' && event.kind === 'tool.returned');

/** What each tool answered, as text. */
export const answers = (events: readonly AgentEvent[]): string[] =>
  returned(events).map(({ output }) => (typeof output === 'string' ? output : JSON.stringify(output)));
