// Copies: a session's history as lines that another can begin with, and forks of it.
import { describe, expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { bodies, events, kinds, outcome, refusal, say, seen, send, spoken, Stage } from './session-stage.ts';

const exported = async (world: TestRuntime, key: string): Promise<string[]> => {
  const lines: string[] = [];
  for await (const text of await world.runtime.export(key)) lines.push(...text.split('\n').filter(Boolean));
  return lines;
};

async function* given(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

describe('fork', () => {
  test('a fork has the history, and goes its own way', async () => {
    await using world = await testRuntime();
    await say(world, 'chat', 'one');
    await say(world, 'chat', 'two');

    const fork = await world.runtime.fork('chat', { key: 'fork' });
    const copied = await kinds(world, 'fork');
    const counts = [await say(world, 'fork', '/count'), await say(world, 'chat', '/count')];
    const again = await say(world, 'fork', '/recall 3');

    expect(fork).toMatchObject({ key: 'fork', state: 'idle', agent: 'scripted', usage: { inputTokens: 0 } });
    expect(fork.id).not.toBe((await world.runtime.session('chat')).id);
    expect(counts.map(({ text }) => text)).toEqual(['3', '3']);
    expect(again.text).toBe('/count');
    expect(copied).toContain('message');
    expect(copied).not.toContain('text.delta');
  });

  test('a fork after a turn has the history up to there, and says where it comes from', async () => {
    await using world = await testRuntime();
    const first = await say(world, 'chat', 'one');
    await say(world, 'chat', 'two');
    const { id } = await world.runtime.session('chat');

    await world.runtime.fork('chat', { key: 'fork', afterTurn: first.id });

    expect(spoken(await world.runtime.transcript('fork'))).toEqual(['user: one', 'assistant: You said: one']);
    expect((await bodies(world, 'fork', 'session.created'))[0]).toMatchObject({
      forkedFrom: { session: id, seq: first.endSeq },
    });
    expect(await refusal(world.runtime.fork('chat', { key: 'other', afterTurn: 'nobody' }))).toBe(
      'turn.not_found',
    );
  });

  test('a fork of a working session takes what has ended, and runs nothing', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'one');
    (await stage.next()).end();
    await outcome(world, 'chat', turn);
    await send(world, 'chat', 'running');
    await stage.next();
    await send(world, 'chat', 'waiting');

    const fork = await world.runtime.fork('chat', { key: 'fork' });

    expect(fork).toMatchObject({ state: 'idle', queued: 0, live: false });
    expect(spoken(await world.runtime.transcript('fork'))).toEqual(['user: one']);
    expect(stage.opened).toHaveLength(1);
  });

  test('a fork does not run again what was steered to a turn and became the next one', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'one');
    const act = await stage.next();
    await send(world, 'chat', { input: 'left', policy: 'steer' });
    act.end();
    await outcome(world, 'chat', turn);

    const fork = await world.runtime.fork('chat', { key: 'fork', afterTurn: turn });

    expect(fork).toMatchObject({ state: 'idle', queued: 0 });
    expect(spoken(await world.runtime.transcript('fork'))).toEqual(['user: one']);
    expect((await world.runtime.turns('fork')).map(({ state }) => state)).toEqual(['done']);
  });

  test('a fork to a name that is taken, or of an agent that cannot be copied, is refused', async () => {
    await using world = await testRuntime({
      agents: { stage: new Stage(), fixed: new Stage({ forks: false }) },
    });
    await world.runtime.open('chat');
    await world.runtime.open('taken');
    await world.runtime.open('fixed', { agent: 'fixed' });

    expect(await refusal(world.runtime.fork('chat', { key: 'taken' }))).toBe('session.exists');
    expect(await refusal(world.runtime.fork('fixed', { key: 'copy' }))).toBe('agent.cannot_fork');
    expect(await refusal(world.runtime.fork('nobody', { key: 'copy' }))).toBe('session.not_found');
    expect(await refusal(world.runtime.fork('chat', { key: '..' }))).toBe('key.invalid');
    expect((await world.runtime.sessions()).sessions.map(({ key }) => key).toSorted()).toEqual([
      'chat',
      'fixed',
      'taken',
    ]);
  });

  test('what was rolled back is in no fork, also of a time before that', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const kept = await send(world, 'chat', 'kept');
    (await stage.next()).end();
    await outcome(world, 'chat', kept.turn);
    const dropped = await send(world, 'chat', 'dropped');
    await stage.next();
    await send(world, 'chat', { input: 'better', policy: 'rollback' });
    (await stage.next()).end();
    await world.runtime.waitForIdle('chat');

    await world.runtime.fork('chat', { key: 'all' });
    await world.runtime.fork('chat', { key: 'then', afterTurn: dropped.turn });

    expect(spoken(await world.runtime.transcript('all'))).toEqual(['user: kept', 'user: better']);
    expect(spoken(await world.runtime.transcript('then'))).toEqual(['user: kept']);
  });
});

describe('export and import', () => {
  test('a session comes back under another name, in another project, event for event', async () => {
    await using world = await testRuntime();
    await world.runtime.addProject('other');
    await world.runtime.open('chat', {
      title: 'Mine',
      labels: ['a'],
      metadata: { team: 'blue' },
      channel: 'web',
    });
    await say(world, 'chat', 'remember me');
    await say(world, 'chat', '/big 100000');
    const other = hostCaller('other');

    const view = await world.runtime.import('copy', given(await exported(world, 'chat')), {}, other);
    const page = await world.runtime.events('copy', { after: 0 }, other);
    const [artifact] = await world.runtime.artifacts('copy', other);
    const receipt = await world.runtime.send('copy', { input: '/recall 1' }, {}, other);
    const recalled = await world.runtime.finished('copy', receipt.turn, { waitMs: Infinity }, other);

    expect(view).toMatchObject({
      project: 'other',
      title: 'Mine',
      labels: ['a'],
      metadata: { team: 'blue' },
    });
    expect(
      page.events.map(({ seq, kind, turn, body }) => ({
        seq,
        kind,
        turn,
        body: JSON.parse(body) as unknown,
      })),
    ).toEqual((await events(world, 'chat')).map(({ seq, kind, turn, body }) => ({ seq, kind, turn, body })));
    expect((await world.runtime.artifact('copy', artifact?.id ?? '', undefined, other)).total).toBe(100_000);
    expect(recalled?.text).toBe('remember me');
  });

  test('an import that was cut off, changed or is something else is refused, and makes nothing', async () => {
    await using world = await testRuntime();
    await say(world, 'chat', 'hello');
    await say(world, 'chat', '/big 100000');
    const lines = await exported(world, 'chat');
    const changed = (index: number, change: (line: Record<string, unknown>) => void): string[] =>
      lines.map((text, at) => {
        if (at !== index) return text;
        const line = JSON.parse(text) as Record<string, unknown>;
        change(line);
        return JSON.stringify(line);
      });
    const artifact = lines.findIndex((line) => line.startsWith('{"artifact"'));

    for (const bad of [
      [],
      ['hello'],
      ['[]'],
      ['{}'],
      lines.slice(0, -1),
      lines.toSpliced(2, 1),
      [...lines, '{}'],
      changed(0, (head) => (head['sojourn'] = 99)),
      changed(2, (event) => (event['seq'] = 7)),
      changed(2, (event) => (event['at'] = 'yesterday')),
      changed(2, (event) => (event['body'] = null)),
      changed(2, (event) => (event['body'] = 'text')),
      changed(2, (event) => (event['body'] = [])),
      changed(artifact, (line) => (line['data'] = 'aGVsbG8=')),
    ]) {
      expect(await refusal(world.runtime.import('copy', given(bad)))).toBe('input.invalid');
    }
    expect(await refusal(world.runtime.import('chat', given(lines)))).toBe('session.exists');
    expect((await world.runtime.sessions()).sessions.map(({ key }) => key)).toEqual(['chat']);
  });

  test('what was unfinished in an exported session ends as after a crash', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'running');
    const act = await stage.next();
    await act.say('So far');
    await act.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });
    const lines = await exported(world, 'chat');
    act.end();

    await world.runtime.import('copy', given(lines));
    await world.runtime.waitForIdle('copy');

    expect((await bodies(world, 'copy', 'turn.ended'))[0]).toMatchObject({
      outcome: 'interrupted',
      text: 'So far',
    });
    expect((await bodies(world, 'copy', 'tool.returned'))[0]).toMatchObject({ call: 'c1', unknown: true });
  });

  test('a question that was open in an exported session is asked again', async () => {
    await using world = await testRuntime();
    await send(world, 'chat', '/ask sure?');
    await seen(world, 'chat', 'request.opened');
    const { headSeq } = await world.runtime.session('chat');
    await world.runtime.import('copy', given(await exported(world, 'chat')));
    await seen(world, 'copy', 'request.opened', headSeq);

    const open = await world.runtime.requests();
    const mine = open.find(({ key }) => key === 'copy');
    await world.runtime.answer('copy', mine?.id ?? '', { decision: 'allow', answer: 'yes' });
    await world.runtime.waitForIdle('copy');

    expect(open.map(({ key }) => key).toSorted()).toEqual(['chat', 'copy']);
    expect((await bodies(world, 'copy', 'turn.ended'))[0]).toMatchObject({
      outcome: 'completed',
      text: 'yes',
    });
  });

  test('an export is what there was when it began, although the session goes on', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'hello');
    const act = await stage.next();
    const { headSeq } = await world.runtime.session('chat');

    const lines = await world.runtime.export('chat');
    await act.say('more', { kind: 'tool.called', call: 'c1', name: 'look', input: {} });
    const all: string[] = [];
    for await (const text of lines) all.push(...text.split('\n').filter(Boolean));

    expect(JSON.parse(all.at(-1) ?? '')).toEqual({ end: true, events: headSeq, artifacts: 0 });
  });
});
