// What the browser's tests share: pages on this machine, and a model that does what it is told.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ToolLoopAgent } from 'ai';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import type { Agent, AgentEvent, AgentTurn } from '../src/agent/agent.ts';
import {
  browserAgent,
  type BrowserAgentOptions,
  type BrowserOptions,
  type BrowserToolName,
  browserTools,
  type BrowserTools,
} from '../src/agent/browser/browser.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { allOf, testContext, testTurn } from '../src/testing/test-turn.ts';
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
function onTools(tools: (turn: AgentTurn) => BrowserTools, steps: readonly Step[]) {
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

const returned = (events: readonly AgentEvent[]): Returned[] =>
  events.filter((event): event is Returned => typeof event === 'object' && event.kind === 'tool.returned');

/** What each tool answered, as text. */
const answers = (events: readonly AgentEvent[]): string[] =>
  returned(events).map(({ output }) => (typeof output === 'string' ? output : JSON.stringify(output)));

/** A turn whose resources are closed by `close`, as the runtime would. */
function turnOfItsOwn(): { turn: AgentTurn; close: () => Promise<void> } {
  const { turn } = testTurn({ input: 'go', clock: systemClock });
  const closing: (() => Promise<void>)[] = [];
  const resource: AgentTurn['resource'] = (name, make, close) =>
    turn.resource(
      name,
      async () => {
        const thing = await make();
        closing.push(() => close(thing));
        return thing;
      },
      close,
    );
  return {
    turn: { ...turn, resource },
    close: async () => void (await Promise.all(closing.map((close) => close()))),
  };
}

/** One browser for the tests of a file that need no settings of their own: it stays until it is closed. */
export class SharedBrowser {
  readonly #tools: (turn: AgentTurn) => BrowserTools;
  readonly #pages: Pages;
  readonly #keeping = turnOfItsOwn();

  private constructor(tools: (turn: AgentTurn) => BrowserTools, pages: Pages) {
    this.#tools = tools;
    this.#pages = pages;
  }

  static async open(pages: Pages): Promise<SharedBrowser> {
    const tools = browserTools({ ...(await testChromium()), allow: [pages.host], actionMsMax: 10_000 });
    const shared = new SharedBrowser(tools, pages);
    await tools(shared.#keeping.turn).open.execute({ url: pages.at('/') }, { toolCallId: 'first' });
    return shared;
  }

  /** A turn in which a model takes these steps in a tab of its own; in another browser where it has options. */
  async visit(steps: readonly Step[], options?: BrowserOptions) {
    const own = { ...(await testChromium()), allow: [this.#pages.host], ...options };
    const { agent, prompts } = onTools(options === undefined ? this.#tools : browserTools(own), steps);
    const instance = await agent.open(testContext());
    const { turn, close } = turnOfItsOwn();
    try {
      const events = await allOf(instance.run(turn));
      return { events, answers: answers(events), returned: returned(events), prompts };
    } finally {
      await close();
    }
  }

  /** A tab that the test works by hand. */
  async tab(): Promise<TabByHand> {
    const { turn, close } = turnOfItsOwn();
    const tools = this.#tools(turn);
    const use = async (name: BrowserToolName, input: unknown): Promise<string> =>
      JSON.stringify(await tools[name].execute(input, { toolCallId: name }));
    return {
      open: (path) => use('open', { url: this.#pages.at(path) }),
      click: (ref) => use('click', { ref }),
      read: () => use('read', {}),
      [Symbol.asyncDispose]: close,
    };
  }

  close(): Promise<void> {
    return this.#keeping.close();
  }
}

interface TabByHand extends AsyncDisposable {
  open(path: string): Promise<string>;
  click(ref: string): Promise<string>;
  read(): Promise<string>;
}
