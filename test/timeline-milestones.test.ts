// Milestones: what sessions post by themselves, where they were asked to.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { TestRuntime, testRuntime } from '../src/testing/test-runtime.ts';
import type { PostView } from '../src/wire/post.ts';
import { refusal, say, Stage } from './session-stage.ts';

let world: TestRuntime;
let stage: Stage;
beforeEach(async () => {
  stage = new Stage({ rerun: 'never' });
  world = await testRuntime({ agents: { scripted: scriptedAgent({ wordMs: 0 }), stage } });
});
afterEach(() => world.close());

/** Follows the timeline from its beginning until there are so many posts. */
async function posts(count: number): Promise<readonly PostView[]> {
  const tail = await world.runtime.timeline.follow({ after: 0 });
  const seen: PostView[] = [];
  while (seen.length < count) seen.push(...(await tail.next()));
  tail.close();
  return seen;
}

const contents = async (count: number): Promise<readonly string[]> =>
  (await posts(count)).map(({ content }) => content);

const outcome = async (key: string, input: string): Promise<string | null> =>
  (await say(world, key, input)).outcome;

/** Nobody has posted anything, once all that is under way is over. */
async function silence(): Promise<void> {
  await world.restart(); // It ends when nothing is being posted.
  expect(await world.runtime.timeline.page()).toMatchObject({ posts: [], head: 0 });
}

describe('a session that was asked to', () => {
  test('tells when a turn has ended: how, what was said, and where to read on', async () => {
    const { session } = await world.runtime.open('inbox', { posts: ['turn'], title: 'Mail' });
    const receipt = await world.runtime.send('inbox', { input: '/words 3 0' });

    const [post] = await posts(1);

    expect(post).toMatchObject({
      id: 1,
      project: 'default',
      content: 'Done: w1 w2 w3',
      author: {
        identity: null,
        name: 'scripted',
        context: 'Mail',
        displayName: 'scripted - Mail',
        identityKey: null,
      },
      session: session.id,
      turn: receipt.turn,
      metadata: { milestone: 'turn', outcome: 'completed', costUsd: 0 },
    });
    const events = await world.runtime.events('inbox', {
      after: Number(post?.metadata['seq']) - 1,
      limit: 1,
    });
    expect(events.events).toMatchObject([{ kind: 'turn.ended', turn: receipt.turn }]);
  });

  test('tells how a turn ended otherwise, and of a failure the code alone', async () => {
    await world.runtime.open('a', { agent: 'stage', posts: ['turn'] });
    await world.runtime.send('a', { input: 'x' });
    (await stage.next()).fail(new Error('the password is swordfish'));
    await world.runtime.send('a', { input: 'y' });
    const act = await stage.next();
    await act.say('half');
    await world.runtime.cancel('a');

    expect(await contents(2)).toEqual(['Failed (agent.failed)', 'Cancelled']);
  });

  test('tells of turns one after the other, in the order of the log', async () => {
    await world.runtime.open('a', { posts: ['turn'] });
    for (const number of [1, 2, 3, 4]) await world.runtime.send('a', { input: `/words ${number} 0` });

    const lengths = (await contents(4)).map((content) => content.split(' ').length - 1);

    expect(lengths).toEqual([1, 2, 3, 4]);
  });

  test('tells what its children have done', async () => {
    await world.runtime.open('parent', { posts: ['child'] });
    await world.runtime.send('parent', { input: '/spawn scripted /words 2 0' });

    const [post] = await posts(1);
    const tree = await world.runtime.tree('parent');

    expect(post).toMatchObject({
      content: expect.stringMatching(/^Child .+: done: w1 w2$/) as string,
      metadata: { milestone: 'child', outcome: 'completed', child: tree.children[0]?.session.id },
      session: tree.session.id,
    });
    expect((await world.runtime.timeline.page()).head).toBe(1);
  });

  test('tells that a budget is used up, and of nothing else where only that was asked', async () => {
    await world.runtime.open('a', { agent: 'stage', posts: ['budget'] });
    await world.runtime.update('a', { budget: { usd: 1 } });
    await world.runtime.send('a', { input: 'x' });
    const fine = await stage.next();
    await fine.say({ kind: 'usage', usage: { inputTokens: 1, outputTokens: 1 }, costUsd: 0.5 });
    fine.end();
    await world.runtime.send('a', { input: 'y' });
    const dear = await stage.next();
    dear.utter({ kind: 'usage', usage: { inputTokens: 1, outputTokens: 1 }, costUsd: 0.6 });

    const [post] = await posts(1);

    expect(post).toMatchObject({
      content: 'Used up its budget',
      metadata: { milestone: 'budget', outcome: 'budget' },
    });
    expect((await world.runtime.timeline.page()).head).toBe(1);
  });

  test('quotes in one line, and cuts what is too long for a post', async () => {
    await world.runtime.open('a', { agent: 'stage', posts: ['turn'] });
    await world.runtime.send('a', { input: 'x' });
    const act = await stage.next();
    await act.say(`one\n\n\u001b[31mtwo\t${'\u{1f6f0}'.repeat(1_000)}`);
    act.end();

    const [content = ''] = await contents(1);

    expect(content.startsWith('Done: one [31mtwo \u{1f6f0}')).toBe(true);
    expect(Array.from(content)).toHaveLength(280);
    expect(content.endsWith('…')).toBe(true);
  });

  test('goes on after a restart, and tells of the turn that a crash interrupted', async () => {
    await world.runtime.open('a', { agent: 'stage', posts: ['turn'] });
    await world.runtime.send('a', { input: 'x' });
    await stage.next();

    await world.crash();

    expect(await contents(1)).toEqual(['Interrupted']);
    expect((await world.runtime.session('a')).posts).toEqual(['turn']);
  });

  test('leaves nothing of its own on the timeline when it is erased', async () => {
    await world.runtime.open('a', { posts: ['turn'] });
    await world.runtime.send('a', { input: '/words 1 0' });
    await posts(1);

    await world.runtime.close('a', { erase: true });

    expect((await world.runtime.timeline.page()).posts).toEqual([]);
  });
});

describe('a session that was not asked to', () => {
  test('tells nothing, whatever happens in it', async () => {
    await world.runtime.open('a');
    expect(await outcome('a', '/words 3 0')).toBe('completed');
    expect(await outcome('b', '/fail oh')).toBe('failed');

    await silence();
  });

  test('nor does one that was told to stop it, or a fork of one that tells', async () => {
    await world.runtime.open('a', { posts: ['turn', 'child', 'budget'] });
    await world.runtime.update('a', { posts: null });
    await outcome('a', '/words 1 0');
    await world.runtime.update('a', { posts: ['turn', 'turn'] });
    await world.runtime.fork('a', { key: 'fork' });
    await outcome('fork', '/words 1 0');

    expect((await world.runtime.session('a')).posts).toEqual(['turn']);
    expect((await world.runtime.session('fork')).posts).toBeUndefined();
    await silence();
  });

  test('and what is no milestone is refused', async () => {
    const posts = ['turn', 'sneeze'] as never;

    expect(await refusal(world.runtime.open('a', { posts }))).toBe('input.invalid');
    await world.runtime.open('a');
    expect(await refusal(world.runtime.update('a', { posts }))).toBe('input.invalid');
  });
});

describe('a milestone that cannot be posted', () => {
  test('hurts no turn: too many are left out and logged, and the turns are as they are', async () => {
    await world.restart({ limits: { postBurst: 2, postsPerMinute: 1 } });
    await world.runtime.open('a', { posts: ['turn'] });

    const outcomes: (string | null)[] = [];
    for (let turn = 0; turn < 5; turn += 1) outcomes.push(await outcome('a', '/words 1 0'));
    await world.restart(); // It ends when nothing is being posted.

    expect(outcomes).toEqual(Array(5).fill('completed'));
    expect((await world.runtime.timeline.page()).head).toBe(2);
    const lost = world.logged.filter(({ event }) => event === 'timeline.milestone_lost');
    expect(lost).toHaveLength(3);
  });

  test('hurts no turn: not even where the store takes no posts at all', async () => {
    world.store.timelines.add = () => Promise.reject(new Error('no'));
    await world.runtime.open('a', { posts: ['turn'] });

    expect(await outcome('a', '/words 1 0')).toBe('completed');
    expect(await outcome('a', '/words 2 0')).toBe('completed');
    await world.restart(); // It ends when nothing is being posted.
    expect(world.logged.filter(({ event }) => event === 'timeline.milestone_lost')).toHaveLength(2);
  });

  test('is waited for by a shutdown: what was done until then is told', async () => {
    await world.runtime.open('a', { posts: ['turn'] });
    await outcome('a', '/words 1 0');

    await world.restart();

    expect(await contents(1)).toEqual(['Done: w1']);
  });
});

test('milestones are told in the project of their session, and nowhere else', async () => {
  await world.runtime.addProject('acme');
  const acme = hostCaller('acme');
  await world.runtime.open('a', { posts: ['turn'] }, acme);
  await world.runtime.send('a', { input: '/words 1 0' }, {}, acme);
  const tail = await world.runtime.timeline.follow({ after: 0 }, acme);

  expect(await tail.next()).toMatchObject([{ project: 'acme', content: 'Done: w1' }]);
  tail.close();
  expect((await world.runtime.timeline.page()).posts).toEqual([]);
});
