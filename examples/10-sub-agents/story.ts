// The story: one agent leads three others, on whatever agents it is given. Nothing here knows which they are.
//
//   1. The lead starts all three, and waits for what they bring home. A person allows what they ask for.
//   2. The coder is put away. Nobody notices: it goes on where it was when the lead wants another turn of it.
//   3. The tester begins something that would take long, and is cancelled in the middle of it.
//   4. Everything is on one bill.
import { type Agent, type AgentTurn, createRuntime, defineAgent, type RuntimeOptions } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { type Client, connect, type Event, type TreeNode } from 'sojourn/client';
import { http } from 'sojourn/face/http';
import { sqliteStore } from 'sojourn/store/sqlite';

export const KEY = 'release';

export interface Story {
  /** Where the data goes. */
  folder: string;
  coder: Agent;
  tester: Agent;
  reader: Agent;
  /** Of models whose agents do not say what a call has cost. */
  prices?: RuntimeOptions['prices'];
  /** What each is asked, turn by turn. The tester's second wish takes until it is stopped. */
  wishes: { coder: readonly [string, string]; tester: readonly [string, string]; reader: string };
  /** Called when the server is there, before anything begins. */
  onServer?: (server: { url: string; token: string }) => Promise<void> | void;
  /** Called after each turn of the lead, while everything is still there. */
  onTurn?: () => Promise<void> | void;
  /** Called when the tester is at work for the second time, before it is cancelled. */
  onWork?: () => Promise<void> | void;
  /** Called when everything is over, while the server is still there. */
  onOver?: () => Promise<void> | void;
}

export interface StoryEnd {
  /** As it was when everything was over. */
  tree: TreeNode;
  /** What the lead said, turn by turn. */
  said: readonly string[];
  /** Whether the coder was in memory after it had been put away. */
  coderWasLive: boolean;
  /** What the coder brought home when it was asked again. */
  coderSaid: string;
  /** What the person allowed, tool by tool. */
  allowed: readonly string[];
  /** What the logs of all sessions say was spent, added up one by one. */
  spentUsd: number;
  /** Pictures that the reader brought home. */
  images: number;
}

export async function tellStory(story: Story): Promise<StoryEnd> {
  const store = await sqliteStore({ folder: story.folder });
  const { coder, tester, reader } = story;
  const prices = story.prices === undefined ? {} : { prices: story.prices };
  const agents = { lead: leadOf(story), coder, tester, reader };
  const runtime = await createRuntime({
    store,
    bus: inProcessBus(),
    agents,
    defaultAgent: 'lead',
    ...prices,
  });
  const face = await http({ port: 0 }).start(runtime);
  const over = new AbortController();
  try {
    const { secret } = await runtime.addToken({
      name: 'story',
      scopes: ['read', 'send', 'approve', 'operate'],
    });
    const url = face.urls[0] ?? '';
    const client = connect({ url, token: secret });
    const lead = client.session(KEY);
    await lead.open({ title: 'Release 1.4', agent: 'lead' });
    await lead.update({ budget: { usd: 1 } });
    await story.onServer?.({ url, token: secret });
    const allowed: string[] = [];
    const person = allowing(client, allowed, over.signal);

    const first = await lead.sendAndWait('Prepare the release');
    await story.onTurn?.();
    const coderKey = keyOf(await lead.tree(), 'coder');
    await client.session(coderKey).evict();
    const { live } = await client.session(coderKey).view();
    const second = await lead.sendAndWait('Finish it');
    await story.onTurn?.();

    over.abort();
    await person;
    await story.onOver?.();
    const tree = await lead.tree();
    const said = [first.text, second.text];
    const [newest] = await client.session(coderKey).turns();
    const coderSaid = newest?.text ?? '';
    return { tree, said, coderWasLive: live, coderSaid, allowed, ...(await bill(client, tree)) };
  } finally {
    over.abort();
    await face.close(1_000);
    await runtime.shutdown(5_000);
  }
}

/** An agent like any other: it could as well be a model with `childTools`. */
function leadOf(story: Story): Agent {
  return defineAgent(async function* (turn) {
    const known = await turn.children.list();
    if (known.length === 0) {
      yield await begin(turn, story.wishes);
      return;
    }
    const ids = new Map(known.map((child) => [child.agent, child.session]));
    yield await finish(turn, story, { coder: ids.get('coder') ?? '', tester: ids.get('tester') ?? '' });
  });
}

async function begin(turn: AgentTurn, wishes: Story['wishes']): Promise<string> {
  const children = [
    await turn.spawn('coder', wishes.coder[0], { title: 'Write the parser', budget: { usd: 0.4 } }),
    await turn.spawn('tester', wishes.tester[0], { title: 'Write its tests' }),
    await turn.spawn('reader', wishes.reader, { title: 'Read the release page' }),
  ];
  const results = await Promise.all(children.map((child) => child.result()));
  return `The first three: ${results.map(({ outcome }) => outcome).join(', ')}.`;
}

async function finish(
  turn: AgentTurn,
  { wishes, onWork }: Story,
  ids: { coder: string; tester: string },
): Promise<string> {
  const atWork = Promise.withResolvers<void>();
  const coder = await turn.children.continue(ids.coder, wishes.coder[1]);
  const tester = await turn.children.continue(ids.tester, wishes.tester[1], {
    onProgress: ({ kind }) => kind !== 'started' && atWork.resolve(),
  });
  const { outcome } = await coder.result();
  await atWork.promise;
  await onWork?.();
  await turn.children.cancel(ids.tester, 'it is not needed any more');
  return `The coder again: ${outcome}. The tester again: ${(await tester.result()).outcome}.`;
}

/** A person who allows whatever is asked, and remembers what it was. */
async function allowing(client: Client, allowed: string[], signal: AbortSignal): Promise<void> {
  const watched: Promise<void>[] = [];
  const known = new Set<string>();
  const ended = (error: unknown): void => {
    if (!signal.aborted) throw error;
  };
  const answer = async (key: string): Promise<void> => {
    const session = client.session(key);
    for await (const event of session.follow({ signal })) {
      if (event.kind !== 'request.opened') continue;
      allowed.push(event.body.tool?.name ?? event.body.text);
      await session.answer(event.body.request, { decision: 'allow' });
    }
  };
  const follow = async (): Promise<void> => {
    for await (const event of client.session(KEY).follow({ signal })) {
      if (event.kind !== 'child.started' || known.has(event.body.key)) continue;
      known.add(event.body.key);
      watched.push(answer(event.body.key).catch(ended));
    }
  };
  await follow().catch(ended);
  await Promise.all(watched);
}

async function bill(client: Client, tree: TreeNode): Promise<{ spentUsd: number; images: number }> {
  const events: Event[] = [];
  for (const key of keysIn(tree)) {
    for await (const event of client.session(key).history()) events.push(event);
  }
  let spentUsd = 0;
  let images = 0;
  for (const event of events) {
    if (event.kind === 'usage') spentUsd += event.body.costUsd;
    if (event.kind === 'child.ended') images += event.body.images?.length ?? 0;
  }
  return { spentUsd, images };
}

const keysIn = (node: TreeNode): string[] => [node.session.key, ...node.children.flatMap(keysIn)];

function keyOf(tree: TreeNode, agent: string): string {
  const node = tree.children.find(({ session }) => session.agent === agent);
  if (node === undefined) throw new Error(`There is no child of agent ${agent}`);
  return node.session.key;
}
