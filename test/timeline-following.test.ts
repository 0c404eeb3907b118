// Following: a reader of a timeline gets every post that fits, once, in order, whatever becomes of nudges and of time.
import { describe, expect, test } from 'vitest';
import { timelineTopic } from '../src/log/timeline-tail.ts';
import { codeOf, StoreFolder } from './store-folder.ts';
import { author, numbers, taken, TimelineWorld } from './timeline-world.ts';

const at = new StoreFolder();
const world = async (...limits: ConstructorParameters<typeof TimelineWorld>[1][]): Promise<TimelineWorld> =>
  new TimelineWorld(await at.open(), ...limits);

describe('a reader', () => {
  test('who comes without a cursor gets the posts to come, and is told where it stands', async () => {
    const own = await world();
    await own.posts('a', 'b');

    const tail = await own.tail(null);
    await own.posts('c', 'd');

    expect(tail.from).toBe(2);
    expect(await taken(tail, 2)).toEqual(['c', 'd']);
  });

  test('who comes with a cursor gets all after it, many pages if need be, and then what comes', async () => {
    const own = await world();
    await Promise.all(numbers(1, 450).map((content) => own.post(content)));

    const tail = await own.tail(3);
    const before = await taken(tail, 447);
    await own.post('451');

    expect(before).toEqual(numbers(4, 450));
    expect(await taken(tail, 1)).toEqual(['451']);
  });

  test('who comes from the beginning gets all there is', async () => {
    const own = await world();
    await own.posts('a', 'b');

    expect(await taken(await own.tail(0), 2)).toEqual(['a', 'b']);
  });

  test('misses nothing that is posted while it comes', async () => {
    const own = await world();
    await own.posts('a');

    const posting = Promise.all(numbers(2, 40).map((content) => own.post(content)));
    const tails = await Promise.all(Array.from({ length: 20 }, () => own.tail(1)));
    await posting;

    for (const tail of tails) expect(await taken(tail, 39)).toEqual(numbers(2, 40));
  });

  test('is not hurt by nudges that are lost: the next one brings what is missing', async () => {
    const own = await world();
    const tail = await own.tail(null);
    await own.post('a');
    own.deaf = true;
    await own.posts('b', 'c');
    own.deaf = false;

    await own.post('d');

    expect(await taken(tail, 4)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('sees posts in the order of their ids, also where nudges come in another', async () => {
    const own = await world();
    const tail = await own.tail(null);
    own.deaf = true;
    const [a, b, c] = [await own.post('a'), await own.post('b'), await own.post('c')];
    own.deaf = false;

    for (const row of [c, a, b, b]) own.publish(timelineTopic('default'), row);

    expect(await taken(tail, 3)).toEqual(['a', 'b', 'c']);
    await own.post('d');
    expect(await taken(tail, 1)).toEqual(['d']);
  });

  test('is not sent to the store by a nudge that comes twice, or late', async () => {
    const own = await world();
    const tail = await own.tail(null);
    const reads = own.reads;

    const [a, b] = [await own.post('a'), await own.post('b')];
    for (const row of [a, b, a]) own.publish(timelineTopic('default'), row);
    const first = await taken(tail, 2);
    own.publish(timelineTopic('default'), b);
    await own.post('c');

    expect([first, await taken(tail, 1)]).toEqual([['a', 'b'], ['c']]);
    expect(own.reads).toBe(reads);
  });

  test('that stops reading costs a bounded number of posts in memory, and still gets all of them', async () => {
    const own = await world({ tailEventsMax: 10 });
    const tail = await own.tail(null);

    await Promise.all(numbers(1, 500).map((content) => own.post(content)));

    expect(await taken(tail, 500)).toEqual(numbers(1, 500));
    expect(own.reads).toBeGreaterThan(1);
  });

  test('that leaves while it waits hears no more, and neither does anybody listen for it', async () => {
    const own = await world();
    const tail = await own.tail(null);

    const waiting = tail.next();
    tail.close();
    tail.close();

    expect(await waiting).toEqual([]);
    expect(await tail.next()).toEqual([]);
    await own.post('a');
    expect(await tail.next()).toEqual([]);
  });

  test('of one project hears nothing of another', async () => {
    const own = await world();
    const tail = await own.tail(null);

    await own.post('theirs', { project: 'other' });
    await own.post('ours');

    expect(await taken(tail, 1)).toEqual(['ours']);
  });

  test('of one identity, one session or a time gets those alone, from the store and live', async () => {
    const own = await world();
    const since = own.clock.now() + 1_000;
    const say = async (): Promise<void> => {
      await own.post('hal');
      await own.post('sal', { author: author('Sal') });
      await own.post('about', { session: 's' });
    };
    await say();
    await own.clock.advance(1_000);
    await say();

    const tails = [
      await own.tail(0, { identity: 'id of Sal' }),
      await own.tail(0, { session: 's' }),
      await own.tail(0, { since, identity: 'id of Hal' }),
    ];
    await say();

    expect(await Promise.all(tails.map((tail) => taken(tail, 3)))).toEqual([
      ['sal', 'sal', 'sal'],
      ['about', 'about', 'about'],
      ['hal', 'about', 'hal', 'about'],
    ]);
  });

  test('with a cursor from the future is refused', async () => {
    const own = await world();
    await own.posts('a');

    expect(await codeOf(own.tail(2))).toBe('cursor.ahead');
    expect(await taken(await own.tail(0), 1)).toEqual(['a']);
  });

  test('whose next posts are gone is told so, when it comes and while it reads', async () => {
    const own = await world({ postsMax: 2, tailEventsMax: 1 });
    await own.posts('1', '2');
    const slow = await own.tail(1);
    await own.posts('3', '4', '5', '6');

    const first = await slow.next();
    await own.timeline.prune();

    expect(first.map(({ content }) => content)).toEqual(['2']);
    expect(await codeOf(slow.next())).toBe('timeline.pruned');
    expect(await codeOf(own.tail(3))).toBe('timeline.pruned');
    expect(await taken(await own.tail(4), 2)).toEqual(['5', '6']);
    expect(await taken(await own.tail(0), 2)).toEqual(['5', '6']); // From the beginning: of what there is.
  });
});

describe('a thousand readers', () => {
  test('of one post read the store once each, when they come, and never again', async () => {
    const own = await world();
    await own.posts('a');
    const tails = await Promise.all(Array.from({ length: 1_000 }, () => own.tail(null)));
    const reads = own.reads;
    const waiting = tails.map((tail) => taken(tail, 3));

    await own.posts('b', 'c', 'd');

    const seen = await Promise.all(waiting);
    expect(new Set(seen.map((contents) => contents.join('')))).toEqual(new Set(['bcd']));
    expect([reads, own.reads]).toEqual([1_000, 1_000]);
  });
});
