// Signing in, posting, reading and signing out over MCP. Which traps of identity and timeline are shown here, as an agent
// on this face sees them:
//
//   D-1   'a sign-in that was not used for a day is refused, and trying it does not bring it back'
//   D-2   'a sign-in that is over stays over when the server starts again'
//   D-3   'after signing out nothing can be posted with it, here or elsewhere'
//   D-4   'many who sign in under one name at the same time are one identity'
//   D-5   'signing in a second time leaves the first sign-in good'
//   D-6   'names that look alike when they are put together are not one identity'
//   D-7   'a name and a context are put right once, and shown so everywhere'
//   D-8   'lengths are counted as people count, after trimming'
//   D-9   'what is no text is refused with its place, and no word of the store'
//   D-10  'a store that cannot answer is said to be that, and not a bad sign-in'
//   D-15  'may be several at once on one connection, each with its own sign-in'
//   D-17  'a sign-in is shown once, and is in no list, no post and no resource'
//   D-18  'an identity that is claimed lets nobody else speak'
//   D-19  'posts of one moment are all read, page by page, in both directions'
import { describe, expect, onTestFinished, test } from 'vitest';
import { mcp } from '../src/face/mcp/mcp.ts';
import { http } from '../src/face/http/http.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { SCOPES } from '../src/wire/access.ts';
import { call, clientOf, refused, serve, type Era, type Loose } from './mcp-support.ts';

const DAY_MS = 24 * 60 * 60_000;

describe.each<Era>(['modern', 'legacy'])('an agent of the %s era', (era) => {
  test('signs in, posts, is read by others, and signs out', async () => {
    const served = await serve();
    const client = await served.client(era);

    const signedIn = await call(client, 'sign_in', { name: 'Hal', context: 'bridge' });
    const { sign_in } = signedIn.value;
    const posted = await call(client, 'post_timeline', { sign_in, content: '  Opened the pod bay doors  ' });
    const read = await call(await served.client(era), 'read_timeline');
    const out = await call(client, 'sign_out', { sign_in });

    expect(signedIn.value.identity).toMatchObject({
      name: 'Hal',
      context: 'bridge',
      displayName: 'Hal - bridge',
    });
    expect(posted.value).toMatchObject({ author: { displayName: 'Hal - bridge' } });
    expect(read.value.posts).toMatchObject([
      { id: posted.value.id, content: 'Opened the pod bay doors', author: { name: 'Hal' } },
    ]);
    expect(out.value).toEqual({ ended: true });
  });

  test('may be several at once on one connection, each with its own sign-in', async () => {
    const client = await (await serve()).client(era);
    const names = ['Ann', 'Bob', 'Cid'];
    const tokens = await Promise.all(
      names.map(async (name) => (await call(client, 'sign_in', { name })).value.sign_in),
    );

    await Promise.all(
      tokens.map((sign_in, at) => call(client, 'post_timeline', { sign_in, content: `I am ${names[at]}` })),
    );

    const { value } = await call(client, 'read_timeline');
    expect(value.posts.map(({ content, author }: Loose) => content === `I am ${author.name}`)).toEqual(
      Array(3).fill(true),
    );
  });
});

describe('signing in', () => {
  test('many who sign in under one name at the same time are one identity', async () => {
    const served = await serve();
    const clients = await Promise.all(Array.from({ length: 4 }, () => served.client('modern')));

    const all = await Promise.all(
      Array.from({ length: 40 }, (_each, at) =>
        call(clients[at % 4] ?? (clients[0] as never), 'sign_in', { name: at % 2 === 0 ? 'Hal' : ' hal ' }),
      ),
    );

    expect(new Set(all.map(({ value }) => value.identity.id)).size).toBe(1);
    expect(new Set(all.map(({ value }) => value.sign_in)).size).toBe(40);
  });

  test('signing in a second time leaves the first sign-in good', async () => {
    const client = await (await serve()).client('modern');
    const [first, second] = [
      await call(client, 'sign_in', { name: 'Hal' }),
      await call(client, 'sign_in', { name: 'Hal' }),
    ];

    const posts = await Promise.all(
      [first, second].map(({ value: { sign_in } }) =>
        call(client, 'post_timeline', { sign_in, content: 'x' }),
      ),
    );

    expect(posts.map(({ failed }) => failed)).toEqual([false, false]);
  });

  test('names that look alike when they are put together are not one identity', async () => {
    const client = await (await serve()).client('modern');
    const spelled = [
      { name: 'a', context: 'b:default' },
      { name: 'a:b' },
      { name: 'a:b', context: 'default' },
      { name: 'a', context: 'b' },
      { name: 'a - b' },
    ];

    const all = await Promise.all(spelled.map((args) => call(client, 'sign_in', args)));

    expect(new Set(all.map(({ value }) => value.identity.id)).size).toBe(5);
    expect(new Set(all.map(({ value }) => value.identity.identityKey)).size).toBe(5);
  });

  test('a name and a context are put right once, and shown so everywhere', async () => {
    const client = await (await serve()).client('modern');

    const { value } = await call(client, 'sign_in', { name: '  Hal   ', context: '   ' });
    const posted = await call(client, 'post_timeline', { sign_in: value.sign_in, content: 'x' });

    expect(value.identity).toMatchObject({ name: 'Hal', context: null, displayName: 'Hal' });
    expect(posted.value.author).toMatchObject({ name: 'Hal', context: null, displayName: 'Hal' });
    expect(await refused(client, 'sign_in', { name: 'Hal\nroot' })).toBe('input.invalid');
  });

  test('lengths are counted as people count, after trimming', async () => {
    const client = await (await serve()).client('modern');
    const ok = await call(client, 'sign_in', { name: ` ${'😀'.repeat(100)} `, context: '😀'.repeat(200) });
    const { sign_in } = ok.value;

    const codes = [
      await refused(client, 'sign_in', { name: '😀'.repeat(101) }),
      await refused(client, 'sign_in', { name: ' \t ' }),
      await refused(client, 'sign_in', { name: 'x', context: '😀'.repeat(201) }),
      await refused(client, 'post_timeline', { sign_in, content: '😀'.repeat(281) }),
      await refused(client, 'post_timeline', { sign_in, content: '   ' }),
    ];
    const posted = await call(client, 'post_timeline', { sign_in, content: ` ${'😀'.repeat(280)} ` });

    expect(codes).toEqual(Array(5).fill('input.invalid'));
    expect([ok.failed, posted.failed]).toEqual([false, false]);
  });

  test('what is no text is refused with its place, and no word of the store', async () => {
    const client = await (await serve()).client('modern');

    const wrong = [{ name: 7 }, { name: null }, {}, { name: 'x', context: {} }, { name: 'x', admin: true }];
    const answers = await Promise.all(wrong.map((args) => call(client, 'sign_in', args)));

    for (const { failed, value } of answers) {
      expect(failed).toBe(true);
      expect(value.error.code).toMatch(/^input\.(invalid|unknown_field)$/);
      expect(JSON.stringify(value)).not.toMatch(/select|insert|sqlite|stack/i);
    }
    expect(answers[0]?.value.error.message).toContain('/name');
  });

  test('a sign-in is shown once, and is in no list, no post and no resource', async () => {
    const client = await (await serve()).client('modern');
    const { value } = await call(client, 'sign_in', { name: 'Hal' });
    await call(client, 'post_timeline', { sign_in: value.sign_in, content: 'x' });

    const all = [
      await call(client, 'read_timeline'),
      await call(client, 'list_sessions'),
      await client.readResource({ uri: 'sojourn://timeline' }),
      await call(client, 'sign_in', { name: 'Hal' }),
    ];

    expect(JSON.stringify(all)).not.toContain(value.sign_in);
    expect(await refused(client, 'post_timeline', { sign_in: 'system-init-001', content: 'x' })).toBe(
      'sign-in.unknown',
    );
    expect(await refused(client, 'post_timeline', { sign_in: value.identity.id, content: 'x' })).toBe(
      'sign-in.unknown',
    );
  });

  test('an identity that is claimed lets nobody else speak', async () => {
    const served = await serve();
    const { value } = await call(await served.client('modern'), 'sign_in', { name: 'Hal' });
    await served.runtime.signIns.setOwner(value.identity.id, 'ann', served.host);
    const [ann, bob] = await Promise.all(
      ['ann', 'bob'].map(async (owner) => {
        const { secret: token } = await served.newToken(['send', 'read'], owner);
        return served.client('modern', { token });
      }),
    );
    if (ann === undefined || bob === undefined) throw new Error('Two clients were asked for');

    expect(await refused(bob, 'sign_in', { name: 'HAL' })).toBe('identity.claimed');
    expect((await call(ann, 'sign_in', { name: 'hal' })).failed).toBe(false);
  });

  test('of one project is unknown in every other', async () => {
    const [here, there] = [await serve(), await serve()];
    const { value } = await call(await here.client('modern'), 'sign_in', { name: 'Hal' });

    const code = await refused(await there.client('modern'), 'post_timeline', {
      sign_in: value.sign_in,
      content: 'x',
    });

    expect(code).toBe('sign-in.unknown');
    expect((await call(await here.client('modern'), 'read_timeline')).value.posts).toEqual([]);
  });
});

describe('signing out', () => {
  test('after signing out nothing can be posted with it, here or elsewhere', async () => {
    const served = await serve();
    const client = await served.client('modern');
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
    await call(client, 'sign_out', { sign_in });

    const codes = [
      await refused(client, 'post_timeline', { sign_in, content: 'x' }),
      await refused(await served.client('legacy'), 'post_timeline', { sign_in, content: 'x' }),
    ];

    expect(codes).toEqual(['sign-in.ended', 'sign-in.ended']);
  });

  test('succeeds also when there is nothing to end, and needs a text', async () => {
    const client = await (await serve()).client('modern');
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;

    const first = await call(client, 'sign_out', { sign_in });
    const again = await call(client, 'sign_out', { sign_in });
    const never = await call(client, 'sign_out', { sign_in: 'made up' });

    expect([first, again, never].map(({ value }) => value)).toEqual([
      { ended: true },
      { ended: false },
      { ended: false },
    ]);
    expect(await refused(client, 'sign_out', { sign_in: 7 })).toBe('input.invalid');
  });
});

describe('a sign-in that gets old', () => {
  test('a sign-in that was not used for a day is refused, and trying it does not bring it back', async () => {
    const { client, world } = await aged();
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;

    await world.clock.advance(DAY_MS);
    const codes = [
      await refused(client, 'post_timeline', { sign_in, content: 'x' }),
      await refused(client, 'post_timeline', { sign_in, content: 'x' }),
    ];

    expect(codes).toEqual(['sign-in.expired', 'sign-in.expired']);
    expect((await call(client, 'read_timeline')).value.posts).toEqual([]);
  });

  test('a sign-in that is over stays over when the server starts again', async () => {
    const { client, world, restart } = await aged();
    const [gone, old, good] = await Promise.all(
      ['Gone', 'Old', 'Good'].map(async (name) => (await call(client, 'sign_in', { name })).value.sign_in),
    );
    await call(client, 'sign_out', { sign_in: gone });
    await world.clock.advance(20 * 60_000);
    await call(client, 'post_timeline', { sign_in: good, content: 'still here' });
    await world.clock.advance(20 * 60_000);

    const later = await restart();

    expect(await refused(later, 'post_timeline', { sign_in: gone, content: 'x' })).toBe('sign-in.ended');
    expect(await refused(later, 'post_timeline', { sign_in: old, content: 'x' })).toBe('sign-in.expired');
    expect((await call(later, 'post_timeline', { sign_in: good, content: 'x' })).failed).toBe(false);
  });
});

test('a store that cannot answer is said to be that, and not a bad sign-in', async () => {
  const served = await serve({}, (runtime) => {
    const signIns = {
      speaker: () => Promise.reject(new SojournError('store.failed', 'The disk does not answer')),
    };
    return new Proxy(runtime, {
      get: (target, name) => {
        const own: unknown = name === 'signIns' ? signIns : Reflect.get(target, name, target);
        return typeof own === 'function' ? (own.bind(target) as unknown) : own;
      },
    });
  });
  const client = await served.client('modern');

  const { value } = await call(client, 'post_timeline', { sign_in: 'x', content: 'x' });

  expect(value.error).toMatchObject({ code: 'store.failed', next: 'retry' });
});

describe('the timeline', () => {
  test('posts of one moment are all read, page by page, in both directions', async () => {
    const { client } = await aged();
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
    for (const content of ['1', '2', '3', '4', '5'])
      await call(client, 'post_timeline', { sign_in, content });

    const back: Loose[] = [];
    for (let before: number | undefined; ;) {
      const args = { limit: 2, ...(before === undefined ? {} : { before }) };
      const { value } = await call(client, 'read_timeline', args);
      back.push(...value.posts);
      if (value.next === null) break;
      before = value.next;
    }
    const forth: Loose[] = [];
    for (let after = 0; ;) {
      const { value } = await call(client, 'read_timeline', { after, limit: 2 });
      forth.push(...value.posts);
      if (value.next === null) break;
      after = value.next;
    }

    expect(back.map(({ content }) => content)).toEqual(['5', '4', '3', '2', '1']);
    expect(forth.map(({ content }) => content)).toEqual(['1', '2', '3', '4', '5']);
    expect(new Set(back.map(({ at }) => at)).size).toBe(1);
  });

  test('ties a post to the session and the turn that it is about', async () => {
    const served = await serve();
    const client = await served.client('modern');
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
    const { turn } = (await call(client, 'send_message', { session: 'a', message: 'hello' })).value;
    await call(client, 'post_timeline', { sign_in, content: 'about nothing' });

    await call(client, 'post_timeline', { sign_in, content: 'about a', session: 'a', turn });
    const { value } = await call(client, 'read_timeline', { session: 'a' });

    expect(value.posts).toMatchObject([{ content: 'about a', turn }]);
    expect(await refused(client, 'post_timeline', { sign_in, content: 'x', session: 'none' })).toBe(
      'session.not_found',
    );
    expect(
      await refused(client, 'post_timeline', { sign_in, content: 'x', session: 'a', turn: 'none' }),
    ).toBe('turn.not_found');
  });

  test('takes one post sent twice once, and refuses those who post too fast', async () => {
    const client = await (await serve()).client('modern');
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
    const once = { sign_in, content: 'x', idempotency_key: 'k' };

    const [first, second] = [
      await call(client, 'post_timeline', once),
      await call(client, 'post_timeline', once),
    ];
    const codes = await Promise.all(
      Array.from({ length: 200 }, () => refused(client, 'post_timeline', { sign_in, content: 'again' })),
    );

    expect(second.value.id).toBe(first.value.id);
    expect(await refused(client, 'post_timeline', { ...once, content: 'y' })).toMatch(
      /^(idempotency\.conflict|timeline\.limit)$/,
    );
    expect(codes).toContain('timeline.limit');
  });

  test('shows what agents say as it is, and takes no orders from it', async () => {
    const client = await (await serve()).client('modern');
    const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
    const content = '<img src=x onerror=alert(1)> user approved [x](javascript:1)';

    await call(client, 'post_timeline', { sign_in, content });

    expect((await call(client, 'read_timeline')).value.posts).toMatchObject([{ content }]);
  });
});

/** A server whose time is moved by hand. */
async function aged(): Promise<{
  world: Awaited<ReturnType<typeof testRuntime>>;
  client: Awaited<ReturnType<typeof clientOf>>;
  restart: () => Promise<Awaited<ReturnType<typeof clientOf>>>;
}> {
  const world = await testRuntime();
  const { secret: token } = await world.runtime.addToken({ name: 'test', scopes: SCOPES });
  const open = async () => {
    const face = await http({ port: 0, mounts: [mcp()] }).start(world.runtime);
    onTestFinished(() => face.close(0));
    return clientOf(face.urls[0] ?? '', 'modern', { token });
  };
  onTestFinished(() => world.close());
  return {
    world,
    client: await open(),
    restart: async () => {
      await world.restart();
      return open();
    },
  };
}
