// Policies and crashes: each policy at its worst moment, which is right after its receipt. What was promised is done
// by the next start, whether the agent's turns may run again (`rerun: safe`) or not.
import { describe, expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { textOf } from '../src/wire/message.ts';
import type { Policy } from '../src/wire/turn.ts';
import { type Act, bodies, events, gate, outcome, refusal, send, spoken, Stage } from './session-stage.ts';

type Rerun = 'safe' | 'never';

/** A turn runs and has said something; another message waits. */
const busy = async (rerun: Rerun, options: { deaf?: boolean } = {}) => {
  const stage = new Stage({ rerun, ...options });
  const world = await testRuntime({ agents: { stage } });
  const running = await send(world, 'chat', 'running');
  const act = await stage.next();
  await act.say('So far');
  const waiting = await send(world, 'chat', 'waiting');
  return { stage, world, running, waiting };
};

/** Plays so many turns, and says what each of them heard. */
const play = async (stage: Stage, count: number): Promise<Act[]> => {
  const acts = [];
  for (let turn = 0; turn < count; turn += 1) {
    const act = await stage.next();
    acts.push(act);
    act.end();
  }
  return acts;
};

const heard = (acts: readonly Act[]) => acts.map((act) => act.heard.join(' + '));

describe.each<Rerun>(['safe', 'never'])('an agent with rerun: %s', (rerun) => {
  const isSafe = rerun === 'safe';

  test('start: a crash right after a receipt, before the agent was there, leaves a turn that runs', async () => {
    const stage = new Stage({ rerun, opening: () => (isUp ? undefined : gate().opened) });
    let isUp = false;
    await using world = await testRuntime({ agents: { stage } });
    const receipt = await send(world, 'chat', 'hello');

    await world.kill();
    isUp = true;
    await world.start();
    const [act] = await play(stage, 1);

    expect(act?.turn).toMatchObject({ id: receipt.turn, attempt: 1, afterCrash: false });
    expect((await outcome(world, 'chat', receipt.turn)).outcome).toBe('completed');
  });

  test('start: a crash right after the receipt of a live session leaves a turn that runs or says it was interrupted', async () => {
    const stage = new Stage({ rerun });
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'before');
    const first = await play(stage, 1);
    await outcome(world, 'chat', first[0]?.turn.id ?? '');
    const receipt = await send(world, 'chat', 'hello');

    await world.crash();
    // The first is the attempt of the process that died.
    const acts = isSafe ? [await stage.next(), ...(await play(stage, 1))] : [];
    const { outcome: end } = await outcome(world, 'chat', receipt.turn);

    expect(acts.map(({ turn }) => [turn.attempt, turn.afterCrash])).toEqual(
      isSafe
        ? [
            [1, false],
            [2, true],
          ]
        : [],
    );
    expect(end).toBe(isSafe ? 'completed' : 'interrupted');
  });

  test('queue: what waited runs after the restart, in its order', async () => {
    const { stage, world, running, waiting } = await busy(rerun);
    await using _ = world;
    const last = await send(world, 'chat', 'last');

    await world.crash();
    const acts = await play(stage, isSafe ? 3 : 2);

    expect(heard(acts)).toEqual([...(isSafe ? ['running'] : []), 'waiting', 'last']);
    expect((await outcome(world, 'chat', last.turn)).outcome).toBe('completed');
    expect((await outcome(world, 'chat', waiting.turn)).outcome).toBe('completed');
    expect((await outcome(world, 'chat', running.turn)).outcome).toBe(isSafe ? 'completed' : 'interrupted');
  });

  test('collect: what joined is still there after the restart, in one turn', async () => {
    const { stage, world, waiting } = await busy(rerun);
    await using _ = world;
    const joined = await send(world, 'chat', { input: 'joined', policy: 'collect' });

    await world.crash();
    const acts = await play(stage, isSafe ? 2 : 1);

    expect([joined.disposition, joined.turn]).toEqual(['collected', waiting.turn]);
    expect(heard(acts).at(-1)).toBe('waiting + joined');
    const view = await outcome(world, 'chat', waiting.turn);
    expect(view.input.map(({ parts }) => textOf(parts))).toEqual(['waiting', 'joined']);
  });

  test.each<Policy>(['interrupt', 'rollback'])(
    '%s: the stopped turn ends cancelled after the restart, and the message runs first',
    async (policy) => {
      const { stage, world, running } = await busy(rerun, { deaf: true }); // It has not unwound when the process ends.
      await using _ = world;
      const urgent = await send(world, 'chat', { input: 'urgent', policy });

      await world.crash();
      const acts = await play(stage, 2);

      expect(urgent).toMatchObject({ disposition: 'queued', position: 1, stopped: running.turn });
      expect(heard(acts)).toEqual(['urgent', 'waiting']);
      expect((await outcome(world, 'chat', urgent.turn)).outcome).toBe('completed');
      expect(await outcome(world, 'chat', running.turn)).toMatchObject({
        outcome: 'cancelled',
        text: 'So far',
      });
      const kept = policy === 'interrupt' ? ['user: running', 'assistant: So far'] : [];
      expect(acts[0]?.remembers).toEqual(kept);
    },
  );

  test('steer: what was offered and not taken is offered again, or becomes the next turn', async () => {
    const { stage, world, running } = await busy(rerun);
    await using _ = world;
    const steered = await send(world, 'chat', { input: 'left', policy: 'steer' });

    await world.crash();
    const act = await stage.next();
    const offered = act.turn.inbox.take().map(({ parts }) => textOf(parts));
    act.end();
    const rest = await play(stage, 1);

    expect([steered.disposition, steered.turn]).toEqual(['steered', running.turn]);
    expect([act.heard, offered]).toEqual(isSafe ? [['running'], ['left']] : [['left'], []]);
    expect(heard(rest)).toEqual(['waiting']);
  });

  test('steer: what was taken before the crash is not lost', async () => {
    const stage = new Stage({ rerun });
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'running');
    const first = await stage.next();
    await send(world, 'chat', { input: 'left', policy: 'steer' });
    first.turn.inbox.take();
    await first.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} }); // Durable, and all before it.

    await world.crash();
    const again = isSafe ? await stage.next() : undefined;
    const offered = again?.turn.inbox.take().map(({ parts }) => textOf(parts));
    again?.end();
    await outcome(world, 'chat', turn);

    const said = spoken(await world.runtime.transcript('chat'));
    expect(offered).toEqual(isSafe ? ['left'] : undefined);
    expect(said.filter((line) => line === 'user: left')).toHaveLength(1);
  });

  test('reject: a refusal leaves nothing that a restart could find', async () => {
    const { stage, world } = await busy(rerun);
    await using _ = world;
    const refused = await refusal(send(world, 'chat', { input: 'no', policy: 'reject' }));

    await world.crash();
    const acts = await play(stage, isSafe ? 2 : 1);

    expect(refused).toBe('session.busy');
    expect(heard(acts)).not.toContain('no');
    expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(2);
  });

  test('the log has no gap after all of it', async () => {
    const { stage, world } = await busy(rerun);
    await using _ = world;
    await send(world, 'chat', { input: 'joined', policy: 'collect' });
    await send(world, 'chat', { input: 'left', policy: 'steer' });
    await send(world, 'chat', { input: 'urgent', policy: 'interrupt' });

    await world.crash();
    const acts = await play(stage, 3);
    await world.runtime.waitForIdle('chat');

    expect(heard(acts)).toEqual(['left', 'urgent', 'waiting + joined']);
    const log = await events(world, 'chat');
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_event, index) => index + 1));
    const ends = log.filter(({ kind }) => kind === 'turn.ended').map(({ turn }) => turn);
    const begun = new Set(
      log.flatMap(({ kind, turn }) => (kind === 'turn.accepted' || kind === 'turn.started' ? [turn] : [])),
    );
    expect(new Set(ends)).toEqual(begun);
    expect(ends).toHaveLength(begun.size);
  });
});
