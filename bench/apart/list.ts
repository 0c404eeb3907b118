// List: pages and searches over many stored sessions, a million when it is asked for.
//
// The sessions are made through the store itself, a thousand appends at a time, so that what is measured is what as
// many real sessions would leave behind. One caller at a time; the figure is from the call to the rows.
import type { Line } from '../results.ts';
import { sample } from '../sample.ts';
import type { SessionFilter, Store } from '../../src/store/store.ts';
import { newSession, openStore } from './open-store.ts';

const GROUP = 1_000;
const LISTS = 300;
const LIST_MS_P99_MAX = 10;
const SEARCH_MS_P99_MAX = 50;
const AGENTS = 20;
const OWNERS = 5_000;
const LABELS = 200;
const STATES = ['idle', 'idle', 'idle', 'idle', 'queued', 'running', 'waiting', 'closed'] as const;
const SYLLABLES = [
  'ba',
  'ce',
  'di',
  'fo',
  'gu',
  'ha',
  'ke',
  'li',
  'mo',
  'nu',
  'pa',
  're',
  'si',
  'to',
  'vu',
  'wa',
];

export async function listBench(folder: string, count: number): Promise<Line[]> {
  const store = await openStore(folder);
  try {
    const start = performance.now();
    for (let from = 0; from < count; from += GROUP) {
      await Promise.all(Array.from({ length: GROUP }, (_, at) => make(store, from + at)));
    }
    const perSecond = (count / (performance.now() - start)) * 1_000;
    const lines: Line[] = [
      {
        bench: 'list',
        what: `making ${amount(count)} sessions, each an append`,
        value: perSecond,
        unit: 'sessions/s',
      },
    ];
    for (const [what, filter, goalMs] of questions(count))
      lines.push(...(await ask(store, `${what}, of ${amount(count)}`, filter, goalMs)));
    lines.push(...(await deepPages(store)));
    return lines;
  } finally {
    await store.close();
  }
}

/** A filter for the nth call, so that no two calls in a row ask the same. */
type Question = (n: number) => Omit<SessionFilter, 'project' | 'limit'>;

function questions(count: number): [string, Question, number][] {
  const page = LIST_MS_P99_MAX;
  const search = SEARCH_MS_P99_MAX;
  return [
    ['a page, unfiltered', () => ({}), page],
    ['a page by state, common', () => ({ state: 'idle' }), page],
    ['a page by state, rare', () => ({ state: 'waiting' }), page],
    ['a page by agent', (n) => ({ agent: `agent-${n % AGENTS}` }), page],
    ['a page by owner', (n) => ({ owner: `owner-${(n * 7) % OWNERS}` }), page],
    ['a page by maker', (n) => ({ maker: `token-${n % 50}` }), page],
    ['a page by parent', (n) => ({ parent: idOf((n * 1_009) % count) }), page],
    ['a page by label', (n) => ({ label: labelOf(n * 4) }), page],
    ['a page by an agent that has none', () => ({ agent: 'nobody' }), page],
    ['a search for a word that one has', (n) => ({ q: rare((n * 7_919) % count) }), search],
    ['a search for a word that none has', (n) => ({ q: `zz${word(n)}` }), search],
    ['a search for a word that many have', (n) => ({ q: word(n % 4_096) }), search],
    ['a search for two words', (n) => ({ q: `${word(n % 4_096)} ${word((n * 31) % 4_096)}` }), search],
    ['a search for one letter', (n) => ({ q: 'bcdfghklmnprstvw'[n % 16] ?? 'b' }), search],
    ['a search for a whole key', (n) => ({ q: keyOf((n * 7_919) % count) }), search],
    ['a search and an agent', (n) => ({ q: word(n % 4_096), agent: `agent-${n % AGENTS}` }), search],
  ];
}

async function ask(store: Store, what: string, question: Question, goalMs: number): Promise<Line[]> {
  const times: number[] = [];
  for (let n = 0; n < LISTS; n += 1) {
    const start = performance.now();
    await store.list({ project: 'default', limit: 50, ...question(n) });
    times.push(performance.now() - start);
  }
  const { p50, p99 } = sample(times);
  return [
    { bench: 'list', what: `${what}, p50`, value: p50, unit: 'ms' },
    { bench: 'list', what: `${what}, p99`, value: p99, unit: 'ms', goal: { sign: '<=', value: goalMs } },
  ];
}

async function deepPages(store: Store): Promise<Line[]> {
  const times: number[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < LISTS; page += 1) {
    const start = performance.now();
    const answer: { nextCursor: string | null } = await store.list({
      project: 'default',
      limit: 200,
      ...(cursor === null ? {} : { cursor }),
    });
    times.push(performance.now() - start);
    cursor = answer.nextCursor;
  }
  const { p99 } = sample(times);
  const what = `one of ${LISTS} pages of 200 in a row, p99`;
  return [{ bench: 'list', what, value: p99, unit: 'ms', goal: { sign: '<=', value: LIST_MS_P99_MAX } }];
}

async function make(store: Store, n: number): Promise<void> {
  const session = {
    ...newSession(keyOf(n), n * 1_000),
    id: idOf(n),
    agent: `agent-${n % AGENTS}`,
    owner: n % 3 === 0 ? null : `owner-${(n * 13) % OWNERS}`,
    maker: `token-${n % 50}`,
    parent: n % 10 === 9 ? idOf(n - 9) : null,
    title: `${rare(n)} ${word(n % 4_096)} ${word((n * 31) % 4_096)} ${word((n * 613) % 4_096)}`,
    summary: `Please ${word((n * 17) % 4_096)} the ${word((n * 7) % 4_096)} before the ${word((n * 3) % 4_096)} is ${word((n * 5) % 4_096)}`,
    labels: n % 4 === 0 ? [labelOf(n)] : [],
  };
  const state = STATES[n % STATES.length] ?? 'idle';
  const made = await store.append(() => ({
    session,
    epoch: 0,
    events: [{ at: n, kind: 'session.created', turn: null, body: '{"agent":"echo"}' }],
    row: { state, lastActiveAt: n * 1_000 },
  }));
  if (made.kind !== 'appended') throw new Error(`Session ${n} was not made: ${made.kind}`);
}

const amount = (count: number): string => count.toLocaleString('en-US');
const labelOf = (n: number): string => `label-${n % LABELS}`;
const keyOf = (n: number): string => `customer-${n % 50_000}/thread-${n}`;
const idOf = (n: number): string => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** A word of its own for each session. */
const rare = (n: number): string => word(n) + word(n >> 12);

/** One of 4,096 words. */
function word(n: number): string {
  return `${SYLLABLES[n & 15]}${SYLLABLES[(n >> 4) & 15]}${SYLLABLES[(n >> 8) & 15]}`;
}
