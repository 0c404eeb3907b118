// The story of examples/11-timeline-over-mcp: a real coding agent uses our MCP server, over HTTP from outside and over
// stdio from a session of ours. Its model is a server on this machine.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alive, below, type Running, workingIn } from '../../examples/10-sub-agents/processes.ts';
import { startModel } from '../../examples/11-timeline-over-mcp/model.ts';
import { type StoryEnd, tellStory } from '../../examples/11-timeline-over-mcp/story.ts';
import type { PostView } from '../../src/wire/post.ts';

/** OpenCode is started three times. */
const STORY_MS_MAX = 300_000;

let folder: string;
let model: Awaited<ReturnType<typeof startModel>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-agents-'));
  model = await startModel();
});
afterAll(async () => {
  await model.stop();
  rmSync(folder, { recursive: true, force: true });
});

test(
  'a coding agent signs in over MCP and posts, is followed live, is recognised when it comes back, and leaves no process',
  { timeout: STORY_MS_MAX },
  async ({ signal }) => {
    const processes: Running[] = [];
    const said: string[] = [];
    const heard: PostView[] = [];
    const heardBy: number[] = [];
    let follower: Follower | undefined;

    const end = await tellStory({
      folder,
      model: model.url,
      signal,
      onServer: async (server) => {
        follower = await follow(server, signal);
      },
      onSaid: async (text) => {
        said.push(text);
        heard.push(await (follower?.next() ?? Promise.reject(new Error('Nobody follows'))));
        heardBy.push(said.length);
        processes.push(...below());
      },
      onOver: async () => {
        await follower?.stop();
      },
    });

    expectTwoSpeakers(end);
    expect(heard).toEqual(end.posts);
    expect(heardBy).toEqual([1, 2, 3, 4]);
    expect(said.map((text) => text.replace(/^.*timeline has /s, ''))).toEqual([
      'one post.',
      '2 posts.',
      '3 posts.',
      '4 posts.',
    ]);

    expect([...calledTools()]).toEqual([
      'sojourn_sign_in',
      'sojourn_post_timeline',
      'sojourn_read_timeline',
      'sojourn_sign_out',
    ]);

    const mains = processes.filter(({ command }) => command.endsWith('src/cli/main.ts'));
    expect(new Set(mains.map(({ pid }) => pid)).size).toBe(2); // The server, and `sojourn mcp`.
    expect(processes.some(({ command }) => command.includes('opencode'))).toBe(true);
    expect([...alive(processes), ...workingIn(folder)]).toEqual([]);
  },
);

function expectTwoSpeakers({ posts, identities, live }: StoryEnd): void {
  const [ada, again, grace, onceMore] = posts.map(({ author }) => author);
  expect(posts.map(({ author, content }) => `${author.displayName}: ${content}`)).toEqual([
    'Ada - parser: Begun with the parser.',
    'Ada - parser: The parser is done.',
    'Grace - tests: Begun with its tests.',
    'Grace - tests: All tests pass.',
  ]);
  expect([again, onceMore]).toEqual([ada, grace]);
  expect(identities.map(({ id }) => id)).toEqual([grace?.identity, ada?.identity]); // The newest first.
  expect(live).toBe(0);
}

/** What the model has asked for, and was given an answer to. */
function calledTools(): ReadonlySet<string> {
  const bodies = JSON.stringify(model.getRequests().map(({ body }) => body));
  return new Set(
    [...bodies.matchAll(/"function":\{"name":"(\w+)","arguments"/g)].map(([, name = '']) => name),
  );
}

interface Follower {
  next: () => Promise<PostView>;
  stop: () => Promise<void>;
}

/** `GET /v1/posts` as a stream; resolves when the server has said that it follows. */
async function follow(server: { url: string; token: string }, signal: AbortSignal): Promise<Follower> {
  const headers = { Authorization: `Bearer ${server.token}`, Accept: 'text/event-stream' };
  const response = await fetch(`${server.url}/v1/posts`, { headers, signal });
  if (response.body === null) throw new Error('The timeline has no body');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const frame = async (event: string): Promise<string> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end === -1) {
        const { value, done } = await reader.read();
        if (done) throw new Error('The timeline has ended');
        text += value;
        continue;
      }
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length);
      if (lines.includes(`event: ${event}`) && data !== undefined) return data;
    }
  };
  await frame('timeline');
  return {
    next: async () => JSON.parse(await frame('post')) as PostView,
    stop: () => reader.cancel(),
  };
}
