// The story: a coding agent speaks on the timeline, as somebody, through the MCP server.
//
//   1. OpenCode by itself, which nobody here has started, signs in as Ada over HTTP and posts. It does so twice, and each
//      time in a process of its own.
//   2. OpenCode as an agent of this server, in a session, signs in as Grace through `sojourn mcp` and posts. Twice again.
//   3. Two have spoken, and both have signed out.
import { join } from 'node:path';
import { type Client, connect, type IdentityView, type PostView } from 'sojourn/client';
import { wishFor } from './model.ts';
import { runOpenCode } from './outside.ts';
import { startServer } from './server.ts';

const ADA = ['Begun with the parser.', 'The parser is done.'];
const GRACE = ['Begun with its tests.', 'All tests pass.'];

export interface Story {
  /** A scratch folder. */
  folder: string;
  /** The model server. */
  model: string;
  /** Ends it early. */
  signal: AbortSignal;
  /** Called when the server is there, before anybody posts. */
  onServer?: (server: { url: string; token: string }) => Promise<void> | void;
  /** Called before each step with what a person would type for it. */
  onStep?: (command: string) => void;
  /** Called after each step, while everything of it that stays is there. */
  onSaid?: (said: string) => Promise<void> | void;
  /** Called when everything is over, while the server is still there. */
  onOver?: () => Promise<void> | void;
}

export interface StoryEnd {
  /** The timeline, the oldest first. */
  posts: readonly PostView[];
  identities: readonly IdentityView[];
  /** How many sign-ins still count. */
  live: number;
}

export async function tellStory(story: Story): Promise<StoryEnd> {
  const { folder, model, signal } = story;
  const server = await startServer(folder, model);
  try {
    const client = connect({ url: server.url, token: server.token });
    await story.onServer?.(server);
    // One that may only do what it needs: not that of the data folder.
    const { secret: token } = await client.addToken({ name: 'ada', scopes: ['read', 'send'] });
    const outside = { folder: join(folder, 'outside'), model, url: server.url, token, signal };
    for (const text of ADA) {
      const wish = wishFor('Ada', 'parser', text);
      story.onStep?.(`opencode run '${wish}'`);
      await story.onSaid?.(await runOpenCode(outside, wish));
    }
    for (const text of GRACE) {
      const wish = wishFor('Grace', 'tests', text);
      story.onStep?.(`sojourn send tests '${wish}'`);
      await story.onSaid?.((await client.session('tests').sendAndWait(wish, { signal })).text);
    }
    await story.onOver?.();
    return await endOf(client);
  } finally {
    await server.stop();
  }
}

async function endOf(client: Client): Promise<StoryEnd> {
  const { posts } = await client.postPage({ after: 0 });
  const { identities } = await client.signIns.identityPage();
  const { live } = await client.signIns.page();
  return { posts, identities, live };
}
