// Resources: what a turn opens for its session lives as long as the live session, and is freed with it, whatever the
// reason.
//
// Shown here, by what a user sees (A: traps of session routing):
//   A-3   'a resource is freed when its session is put away, closed, remade, given up, or shut down'
//   A-16  'a resource that cannot be closed keeps no other from being closed'
import { expect, test } from 'vitest';
import type { AgentTurn } from '../src/agent/agent.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { type Act, gate, outcome, send, Stage } from './session-stage.ts';

/** Opens things by name, and tells what happened to them. */
class Shop {
  readonly told: string[] = [];

  open(turn: AgentTurn, name: string): Promise<string> {
    const key = turn.session.key;
    return turn.resource(
      name,
      async () => {
        this.told.push(`open ${key} ${name}`);
        return `${key} ${name}`;
      },
      async (thing) => void this.told.push(`close ${thing}`),
    );
  }
}

test('a resource is opened once, however many turns use it', async () => {
  const shop = new Shop();
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  const things = [];
  for (const _ of [1, 2]) {
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    things.push(...(await Promise.all([shop.open(act.turn, 'browser'), shop.open(act.turn, 'browser')])));
    act.end();
    await outcome(world, 'chat', turn);
  }

  expect(new Set(things).size).toBe(1);
  expect(shop.told).toEqual(['open chat browser']);
});

test('sessions do not share what they open', async () => {
  const shop = new Shop();
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  for (const key of ['a', 'b']) {
    await send(world, key, 'hello');
    await shop.open((await stage.next()).turn, 'browser');
  }

  expect(shop.told).toEqual(['open a browser', 'open b browser']);
});

test('a resource is freed when its session is put away, closed, remade, given up, or shut down', async () => {
  const shop = new Shop();
  const stage = new Stage({ closing: ({ context }) => void shop.told.push(`agent ${context.session.key}`) });
  await using world = await testRuntime({ agents: { stage }, limits: { cancelMsMax: 1_000 } });
  const begin = async (key: string): Promise<Act> => {
    await send(world, key, 'hello');
    const act = await stage.next();
    await shop.open(act.turn, 'one');
    await shop.open(act.turn, 'two');
    shop.told.length = 0;
    return act;
  };
  const freed = (key: string) => [`agent ${key}`, `close ${key} two`, `close ${key} one`];

  (await begin('evicted')).end();
  await world.runtime.waitForIdle('evicted');
  await world.runtime.evict('evicted');
  expect(shop.told).toEqual(freed('evicted'));

  await begin('closed');
  await world.runtime.close('closed');
  expect(shop.told).toEqual(freed('closed'));

  (await begin('remade')).end();
  await world.runtime.waitForIdle('remade');
  await world.runtime.dirty({ key: 'remade', reason: 'config' });
  await send(world, 'remade', 'again');
  await stage.next();
  expect(shop.told).toEqual(freed('remade'));

  (await begin('shut down')).end();
  await world.runtime.cancel('remade');
  await world.runtime.waitForIdle('shut down');
  await world.runtime.shutdown(0);
  expect(shop.told.filter((line) => line.endsWith('shut down') || line.includes('shut down '))).toEqual(
    freed('shut down'),
  );
});

test('a resource of an agent that hears no signal is freed when it is given up', async () => {
  const shop = new Shop();
  const stage = new Stage({ deaf: true });
  await using world = await testRuntime({ agents: { stage }, limits: { cancelMsMax: 1_000 } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await shop.open(act.turn, 'browser');

  const cancelled = world.runtime.cancelTurn('chat', turn);
  await world.clock.advance(1_000);
  await cancelled;

  expect(shop.told).toEqual(['open chat browser', 'close chat browser']);
  await expect(shop.open(act.turn, 'another')).rejects.toMatchObject({ code: 'keeper.gone' });
});

test('a resource that cannot be closed keeps no other from being closed', async () => {
  const told: string[] = [];
  const hanging = gate();
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { closeMsMax: 1_000 } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const { turn } = act;
  await turn.resource(
    'first',
    async () => 1,
    async () => void told.push('first'),
  );
  await turn.resource(
    'fails',
    async () => 2,
    () => Promise.reject(new Error('stuck')),
  );
  await turn.resource(
    'hangs',
    async () => 3,
    () => {
      hanging.open();
      return gate().opened;
    },
  );
  act.end();
  await world.runtime.waitForIdle('chat');

  const evicted = world.runtime.evict('chat');
  await hanging.opened;
  await world.clock.advance(1_000);
  await evicted;

  expect(world.logged.filter(({ event }) => event === 'live.close_failed')).toHaveLength(2);
  await world.clock.advance(0);
  expect(told).toEqual(['first']);
});

test('a resource that could not be opened is tried again', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const { turn } = await stage.next();
  let tries = 0;
  const open = (): Promise<number> =>
    turn.resource(
      'browser',
      async () => {
        tries += 1;
        if (tries === 1) throw new Error('no display');
        return tries;
      },
      async () => undefined,
    );

  await expect(open()).rejects.toThrow('no display');
  expect(await open()).toBe(2);
  expect(await open()).toBe(2);
});

test('a resource that is still being opened when its session goes is closed as soon as it is there', async () => {
  const opening = gate();
  const closed = gate();
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  const thing = act.turn.resource(
    'browser',
    () => opening.opened,
    async () => closed.open(),
  );
  thing.catch(() => undefined);
  act.end();
  await outcome(world, 'chat', turn);

  await world.runtime.evict('chat');
  opening.open();
  await closed.opened;

  await expect(thing).rejects.toMatchObject({ code: 'keeper.gone' });
});
