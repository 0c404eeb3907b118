// agentConformance: what every adapter must do, whoever wrote it. Any test runner with describe, test and expect will do.
//
// It drives instances by hand-made turns; what the runtime adds around an agent is not tested here.
import type { Agent, AgentEvent, Instance } from '../agent/agent.ts';
import { SojournError } from '../kernel/errors.ts';
import { allOf, testContext, testTurn, textSaid, type TestTurn } from './test-turn.ts';

export interface TestRunner {
  describe: (name: string, body: () => void) => unknown;
  test: {
    (name: string, body: () => void | Promise<void>): unknown;
    skip: (name: string, body: () => void | Promise<void>) => unknown;
  };
  expect: (actual: unknown) => {
    toBe(expected: unknown): void;
    toEqual(expected: unknown): void;
  };
}

/** Why an adapter has no such case. */
export interface Skipped {
  skipped: string;
}

/** The messages that make the adapter under test do what a case is about. */
export interface AgentSubject {
  agent: () => Agent;
  says: { input: string; text: string };
  /** It says something, and would then go on for long. */
  long: string | Skipped;
  /** It throws. */
  fails: string | Skipped;
  /** It calls at least one tool. */
  calls: string | Skipped;
  /** How often tools have begun to run, ever, where the suite can know. */
  begun: (() => number) | Skipped;
  /** It asks a person. */
  asks: string | Skipped;
}

export function agentConformance(runner: TestRunner, subject: AgentSubject): void {
  runner.describe('keeps the contract of an agent', () => {
    answering(runner, subject);
    stopping(runner, subject);
    calling(runner, subject);
    asking(runner, subject);
  });
}

function answering({ test, expect }: TestRunner, subject: AgentSubject): void {
  test('it states every capability', () => {
    const { rerun, steers, rewinds, forks, ownsHistory } = subject.agent().capabilities;

    expect(['never', 'waiting', 'safe'].includes(rerun)).toBe(true);
    expect([steers, rewinds, forks, ownsHistory].map((value) => typeof value)).toEqual(
      Array.from({ length: 4 }, () => 'boolean'),
    );
  });

  test('it answers, and what a snapshot keeps of it can be stored', async () => {
    const instance = await opened(subject);

    expect(await reply(instance, subject)).toBe(subject.says.text);

    const snapshot = await instance.snapshot();
    if (snapshot !== undefined) expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    await instance.close('closed');
  });

  test('one instance answers turn after turn, and two at once do not mix', async () => {
    const one = await opened(subject);
    const other = await opened(subject);

    const both = await Promise.all([reply(one, subject), reply(other, subject)]);
    const again = await reply(one, subject);
    await one.close('closed');
    const after = await reply(other, subject);
    await other.close('closed');

    expect([...both, again, after]).toEqual(Array.from({ length: 4 }, () => subject.says.text));
  });
}

function stopping(runner: TestRunner, subject: AgentSubject): void {
  const { test, expect } = runner;

  test('a turn that was aborted before it began says nothing, and the next one is answered', async () => {
    const instance = await opened(subject);
    const play = testTurn({ input: subject.says.input });
    play.abort();

    expect(textSaid(await untilStopped(instance, play))).toBe('');
    expect(await reply(instance, subject)).toBe(subject.says.text);
    await instance.close('closed');
  });

  given(runner, subject.long, 'an abort ends a long turn, and the next one is answered', async (input) => {
    const instance = await opened(subject);
    const play = testTurn({ input });

    const events = await untilStopped(instance, play, () => play.abort());

    expect(textSaid(events).length > 0).toBe(true);
    expect(await reply(instance, subject)).toBe(subject.says.text);
    await instance.close('closed');
  });

  given(runner, subject.long, 'who stops pulling ends the turn', async (input) => {
    const instance = await opened(subject);
    for await (const event of instance.run(testTurn({ input }).turn)) if (event) break;

    expect(await reply(instance, subject)).toBe(subject.says.text);
    await instance.close('closed');
  });

  given(runner, subject.fails, 'what it throws fails that turn only (G4)', async (input) => {
    const instance = await opened(subject);

    const failed = await allOf(instance.run(testTurn({ input }).turn)).then(
      () => false,
      () => true,
    );

    expect(failed).toBe(true);
    expect(await reply(instance, subject)).toBe(subject.says.text);
    await instance.close('closed');
  });
}

function calling(runner: TestRunner, subject: AgentSubject): void {
  const { expect } = runner;

  given(runner, subject.calls, 'every tool call has its own id, and one result after it', async (input) => {
    const instance = await opened(subject);

    const events = await allOf(instance.run(testTurn({ input }).turn));

    const seen = new Set<string>();
    const unanswered = new Set<string>();
    for (const event of events) {
      if (typeof event === 'string') continue;
      if (event.kind === 'tool.called') {
        expect(seen.has(event.call)).toBe(false);
        seen.add(event.call);
        unanswered.add(event.call);
      }
      if (event.kind === 'tool.returned') expect(unanswered.delete(event.call)).toBe(true);
    }
    expect([seen.size > 0, unanswered.size]).toEqual([true, 0]);
    await instance.close('closed');
  });

  given(runner, subject.begun, 'no tool runs before the log has its call (G2)', async (begun) => {
    if (typeof subject.calls === 'object') throw new Error('`begun` needs `calls`');
    const instance = await opened(subject);
    const before = begun();
    let durable = 0;

    for await (const event of instance.run(testTurn({ input: subject.calls }).turn)) {
      if (typeof event === 'string' || event.kind !== 'tool.called') continue;
      for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate); // time for it to go wrong
      expect(begun() - before <= durable).toBe(true);
      durable += 1;
    }

    expect([durable > 0, begun() > before]).toEqual([true, true]);
    await instance.close('closed');
  });
}

function asking(runner: TestRunner, subject: AgentSubject): void {
  const { expect } = runner;

  given(runner, subject.asks, 'what waiting for a person rejects with passes through it', async (input) => {
    const instance = await opened(subject);
    const suspended = new SojournError('turn.suspended', 'It waits for a person');
    const play = testTurn({ input, answer: () => Promise.reject(suspended) });

    const thrown = await allOf(instance.run(play.turn)).catch((error: unknown) => error);

    expect(thrown).toBe(suspended);
    expect(play.asks.length).toBe(1);
    await instance.close('closed');
  });
}

function given<Value extends string | (() => number)>(
  { test }: TestRunner,
  value: Value | Skipped,
  name: string,
  body: (value: Value) => Promise<void>,
): void {
  if (typeof value === 'object') test.skip(`${name} (skipped: ${value.skipped})`, () => {});
  else test(name, () => body(value));
}

const opened = async (subject: AgentSubject): Promise<Instance> => subject.agent().open(testContext());

async function reply(instance: Instance, { says }: AgentSubject): Promise<string> {
  return textSaid(await allOf(instance.run(testTurn({ id: 'again', input: says.input }).turn)));
}

/** Calls `spoke` behind the first text. What it throws once it is aborted is its way to end (G3 of the contract). */
async function untilStopped(instance: Instance, play: TestTurn, spoke?: () => void): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  try {
    for await (const event of instance.run(play.turn)) {
      events.push(event);
      if (textSaid(events) !== '') spoke?.();
    }
  } catch (error) {
    if (!play.turn.signal.aborted) throw error;
  }
  return events;
}
