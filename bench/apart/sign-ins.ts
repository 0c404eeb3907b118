// Sign-ins bench: what it costs to sign in, to be known while one is busy, and to be looked up after a restart.
import { createSignIns, type SignIns } from '../../src/identity/identity.ts';
import type { Line } from '../results.ts';
import { sample } from '../sample.ts';
import { openStore } from './open-store.ts';

const NAMES = 200;

export async function signInsBench(folder: string, quick: boolean): Promise<Line[]> {
  const count = quick ? 200 : 2_000;
  const store = await openStore(folder);
  const signIns = createSignIns({ store, limits: { signInsPerIdentityMax: 10_000 } });
  const { lines, tokens } = await signingIn(signIns, count);
  const hots = quick ? 20_000 : 200_000;
  const commits = store.stats().commits;
  const hot = await hotValidations(signIns, tokens, hots);
  const written = store.stats().commits - commits;
  await signIns.close();
  await store.close();

  const again = await openStore(folder);
  const restarted = createSignIns({ store: again });
  const cold = await validate(restarted, tokens);
  const gone = await validate(
    restarted,
    tokens.map((token) => `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`),
  );
  await restarted.close();
  await again.close();
  return [
    ...lines,
    line('validate, known (hot), each', hot, 'us'),
    {
      ...line(`commits during ${amount(hots)} hot validations`, written, ''),
      goal: { sign: '<=', value: 0 },
    },
    line('validate, not in memory (cold), p50', sample(cold).p50 * 1_000, 'us'),
    line('validate, not in memory (cold), p99', sample(cold).p99 * 1_000, 'us'),
    line('validate, mistyped, p50', sample(gone).p50 * 1_000, 'us'),
  ];
}

async function signingIn(signIns: SignIns, count: number): Promise<{ lines: Line[]; tokens: string[] }> {
  const tokens: string[] = [];
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    const { token } = await signIns.signIn({ name: `agent ${n % NAMES}`, context: 'bench' });
    times.push(performance.now() - start);
    tokens.push(token);
  }
  const start = performance.now();
  const calls = Array.from({ length: count }, () => signIns.signIn({ name: 'one for all' }));
  await Promise.all(calls);
  const rate = count / ((performance.now() - start) / 1_000);
  const { p50, p99 } = sample(times);
  return {
    tokens,
    lines: [
      line('sign in, one after the other, p50', p50, 'ms'),
      line('sign in, one after the other, p99', p99, 'ms'),
      line(`sign in, ${amount(count)} of one identity at once`, rate, '/s'),
    ],
  };
}

/** Microseconds each. */
async function hotValidations(signIns: SignIns, tokens: readonly string[], count: number): Promise<number> {
  const start = performance.now();
  for (let n = 0; n < count; n += 1) {
    const { kind } = await signIns.validate(tokens[n % tokens.length] ?? '');
    if (kind !== 'live') throw new Error(`A sign-in that was just made is ${kind}`);
  }
  return ((performance.now() - start) * 1_000) / count;
}

async function validate(signIns: SignIns, tokens: readonly string[]): Promise<number[]> {
  const times: number[] = [];
  for (const token of tokens) {
    const start = performance.now();
    await signIns.validate(token);
    times.push(performance.now() - start);
  }
  return times;
}

const amount = (count: number): string => count.toLocaleString('en-US');
const line = (what: string, value: number, unit: string): Line => ({ bench: 'sign-in', what, value, unit });
