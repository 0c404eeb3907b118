// Remembered answers: a person says once what holds for this very call, for as long as the session lives.
//
// Shown here (A: traps of session routing):
//   A.5   'answers the same call of a later turn, and no other call'
//   A.6   'survives that its session leaves memory, is made again, and that the process dies' (grants were lost or outlived it)
import { describe, expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import type { Question } from '../src/agent/agent.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { TurnCall } from '../src/wire/calls.ts';
import { textOf } from '../src/wire/message.ts';
import { bodies, outcome, say, seen, send } from './session-stage.ts';

const pay = (usd: number): Question => ({
  kind: 'approval',
  text: 'Pay?',
  tool: { call: `c${usd}`, name: 'pay', input: { usd } },
});

/** Each message is an amount that it asks a person about; it says what it heard. */
const payer = functionAgent(async function* (turn) {
  const usd = Number(textOf(turn.inputs[0]?.parts ?? []));
  const { decision, answer } = await turn.ask('pay', pay(usd));
  yield `${decision}${answer === undefined ? '' : `: ${answer}`}`;
});

const world = (): Promise<TestRuntime> => testRuntime({ agents: { payer } });

/** Sends an amount, and answers what it asks. */
async function settle(
  stage: TestRuntime,
  key: string,
  usd: number,
  answer: { decision: 'allow' | 'deny'; answer?: string; remember?: boolean },
): Promise<string> {
  const { turn, seq } = await send(stage, key, String(usd));
  const { body } = await seen(stage, key, 'request.opened', seq);
  await stage.runtime.answer(key, body.request, answer);
  return (await outcome(stage, key, turn)).text;
}

/** What is decided when nobody answers. */
const unasked = async (stage: TestRuntime, key: string, usd: number, call: Partial<TurnCall> = {}) =>
  (await say(stage, key, { input: String(usd), canAsk: false, ...call })).text.split(':')[0];

describe('an answer that is to be remembered', () => {
  test('answers the same call of a later turn, and no other call', async () => {
    await using stage = await world();

    const first = await settle(stage, 'chat', 5, { decision: 'allow', answer: 'fine', remember: true });
    const second = await say(stage, 'chat', '5');
    const other = await unasked(stage, 'chat', 500);

    expect([first, second.text, other]).toEqual(['allow: fine', 'allow: fine', 'deny']);
    expect(await bodies(stage, 'chat', 'request.opened')).toHaveLength(1);
  });

  test('is remembered when it was no, too', async () => {
    await using stage = await world();

    await settle(stage, 'chat', 5, { decision: 'deny', answer: 'never', remember: true });

    expect((await say(stage, 'chat', '5')).text).toBe('deny: never');
  });

  test('is not remembered where a person did not say so', async () => {
    await using stage = await world();

    await settle(stage, 'chat', 5, { decision: 'allow' });

    expect(await unasked(stage, 'chat', 5)).toBe('deny');
  });

  test('holds for a turn that nobody can answer: somebody has', async () => {
    await using stage = await world();
    await settle(stage, 'chat', 5, { decision: 'allow', remember: true });

    expect(await unasked(stage, 'chat', 5, { kind: 'schedule' })).toBe('allow');
  });

  test('survives that its session leaves memory, is made again, and that the process dies', async () => {
    await using stage = await world();
    await settle(stage, 'chat', 5, { decision: 'allow', remember: true });

    await stage.runtime.evict('chat');
    const afterEviction = await unasked(stage, 'chat', 5);
    await stage.runtime.dirty({ key: 'chat', reason: 'changed' });
    const afterRemaking = await unasked(stage, 'chat', 5);
    await stage.crash();
    const afterCrash = await unasked(stage, 'chat', 5);

    expect([afterEviction, afterRemaking, afterCrash]).toEqual(['allow', 'allow', 'allow']);
  });

  test('is kept where it was given, although the process dies before anybody hears of it', async () => {
    await using stage = await world();
    const { seq } = await send(stage, 'chat', '5');
    const { body } = await seen(stage, 'chat', 'request.opened', seq);

    const killed = stage.killAtWrite(({ events }) => events.some(({ kind }) => kind === 'request.closed'));
    void stage.runtime.answer('chat', body.request, { decision: 'allow', remember: true }); // Nobody is told.
    await killed;
    await stage.start();

    expect(await unasked(stage, 'chat', 5)).toBe('allow');
  });

  test('belongs to its session alone: others are asked, and so is its copy', async () => {
    await using stage = await world();
    await settle(stage, 'chat', 5, { decision: 'allow', remember: true });

    await stage.runtime.fork('chat', { key: 'copy' });

    expect(await unasked(stage, 'copy', 5)).toBe('deny');
    expect(await unasked(stage, 'another', 5)).toBe('deny');
  });

  test('goes with the session: whoever takes its key after an erasing is asked again', async () => {
    await using stage = await world();
    await settle(stage, 'chat', 5, { decision: 'allow', remember: true });

    await stage.runtime.close('chat', { erase: true });

    expect(await unasked(stage, 'chat', 5)).toBe('deny');
  });

  test('stays the first one where the same call was asked about twice at once', async () => {
    const twice = functionAgent(async function* (turn) {
      const both = await Promise.all([turn.ask('one', pay(5)), turn.ask('two', pay(5))]);
      yield both.map(({ decision }) => decision).join(' ');
    });
    await using stage = await testRuntime({ agents: { twice } });
    const { turn } = await send(stage, 'chat', 'go');
    const first = await seen(stage, 'chat', 'request.opened');
    const second = await seen(stage, 'chat', 'request.opened', first.seq);

    await stage.runtime.answer('chat', first.body.request, { decision: 'allow', remember: true });
    await stage.runtime.answer('chat', second.body.request, { decision: 'deny', remember: true });
    const { text } = await outcome(stage, 'chat', turn);

    expect(text).toBe('allow deny');
    expect((await say(stage, 'chat', 'again')).text).toBe('allow allow');
  });
});
