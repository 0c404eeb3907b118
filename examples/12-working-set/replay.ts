// Replay: a recorded run of an agent, call of its model by call of its model, through a working set with a small window.
//
//   R1. The same run is replayed twice: once in a window that holds all of it, once in a small one. What the agent is given
//       of the past before each call is counted whole both times, by the encoding itself; the question is the same in both.
//   R2. At the end every byte that left the small window is read back by its reference, and compared with what the tools
//       returned in the recording.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { createRuntime, defineAgent, type Agent, type Limits, type Runtime } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { sqliteStore } from 'sojourn/store/sqlite';

export interface ReplayOptions {
  /** Trajectories, or other logs that can be imported: one after the other, in one session. */
  files: readonly string[];
  /** Gives an empty folder each time. */
  folder: () => string;
  windowTokens: number;
}

export interface ReplaySum {
  windowTokens: number;
  /** Tokens of the past that each call of the model was sent, with a working set and without. */
  steps: readonly { sent: number; whole: number }[];
  sent: number;
  whole: number;
  /** How often something left the window. */
  compactions: number;
  /** What left it, by reference; `bytes` are those that were read back. */
  refs: number;
  bytes: number;
  /** References whose bytes are not what the recording has. */
  wrong: readonly string[];
}

interface Step {
  asked: string;
  said: string;
  calls: { call: string; name: string; input: unknown; output: string }[];
}

type Past = Parameters<Parameters<typeof defineAgent>[0]>[0]['history'];

type Logged = Awaited<ReturnType<Runtime['events']>>['events'][number];

const ALL = 10_000_000;
const KEY = 'replay';
/** Nothing is moved out, and nothing is too old. */
const ENDLESS: Partial<Limits> = { inlineBytesMax: 900_000, inlineTextBytesMax: 900_000 };

export async function replay({ files, folder, windowTokens }: ReplayOptions): Promise<ReplaySum> {
  const steps: Step[] = [];
  for (const file of files) steps.push(...(await recorded(file, folder())));
  const whole = await run(steps, { folder: folder(), windowTokens: ALL, limits: ENDLESS });
  const small = await run(steps, { folder: folder(), windowTokens, limits: {} });
  const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
  return {
    windowTokens,
    steps: small.sent.map((sent, index) => ({ sent, whole: whole.sent[index] ?? 0 })),
    sent: sum(small.sent),
    whole: sum(whole.sent),
    ...small.proof,
  };
}

async function opened(
  folder: string,
  agents: Record<string, Agent>,
  limits: Partial<Limits>,
): Promise<Runtime> {
  return createRuntime({ store: await sqliteStore({ folder }), bus: inProcessBus(), agents, limits });
}

/** The recording as a session, each call of its model a turn; and what each of them said and did. */
async function recorded(file: string, folder: string): Promise<readonly Step[]> {
  const nobody = defineAgent(async function* () {});
  const runtime = await opened(folder, { nobody }, ENDLESS);
  try {
    await runtime.import(KEY, linesOf(file), { turnPerStep: true });
    return stepsOf(await logOf(runtime));
  } finally {
    await runtime.shutdown();
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  yield* readFileSync(file, 'utf8').split('\n');
}

async function logOf(runtime: Runtime): Promise<readonly Logged[]> {
  const log: Logged[] = [];
  for (;;) {
    const { events, headSeq } = await runtime.events(KEY, { after: log.at(-1)?.seq ?? 0 });
    log.push(...events);
    if (events.length === 0 || log.at(-1)?.seq === headSeq) return log;
  }
}

/** What a test of the body of each kind need not say: these logs were written by the runtime. */
interface Body {
  input: { parts: { text?: string }[] } & Record<string, unknown>;
  role: string;
  parts: { type: string; text: string }[];
  call: string;
  name: string;
  /** The tools of these recordings answer with text. */
  output?: string;
  ref: string;
  digests: { kind: string; ref: string; calls?: { turn: string; call: string; ref: string }[] }[];
}

const bodyOf = ({ body }: Logged): Body => JSON.parse(body) as Body;

function stepsOf(log: readonly Logged[]): readonly Step[] {
  const steps: Step[] = [];
  for (const event of log) {
    const body = bodyOf(event);
    const step = steps.at(-1);
    if (event.kind === 'turn.accepted') {
      const asked = body.input.parts.map(({ text = '' }) => text).join('');
      if (step?.said === '' && step.calls.length === 0) step.asked += `\n${asked}`;
      else steps.push({ asked, said: '', calls: [] });
    }
    if (step === undefined) continue;
    if (event.kind === 'message' && body.role === 'assistant')
      step.said += body.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    if (event.kind === 'tool.called')
      step.calls.push({ call: body.call, name: body.name, input: body.input, output: '' });
    const called = step.calls.find(({ call }) => call === body.call);
    if (event.kind === 'tool.returned' && called !== undefined) called.output = body.output ?? '';
  }
  return steps;
}

interface Run {
  sent: readonly number[];
  proof: Pick<ReplaySum, 'compactions' | 'refs' | 'bytes' | 'wrong'>;
}

/** R1. */
async function run(
  steps: readonly Step[],
  { folder, windowTokens, limits }: { folder: string; windowTokens: number; limits: Partial<Limits> },
): Promise<Run> {
  const sent: number[] = [];
  const counts = new Map<string, number>();
  const agent = defineAgent(async function* ({ history }) {
    const step = steps[sent.length];
    sent.push(tokensOf(history, counts));
    yield step?.said ?? '';
    for (const { call, name, input, output } of step?.calls ?? []) {
      yield { kind: 'tool.called', call, name, input };
      yield { kind: 'tool.returned', call, output };
    }
  });
  const runtime = await opened(folder, { replaying: { ...agent, context: { windowTokens } } }, limits);
  try {
    for (const { asked } of steps) {
      const { turn } = await runtime.send(KEY, { input: asked });
      await runtime.finished(KEY, turn, { waitMs: Infinity });
      await quiet(runtime);
    }
    return { sent, proof: await proven(runtime, steps) };
  } finally {
    await runtime.shutdown();
  }
}

/** R1. What a model reads of it: texts, and what tools were given and returned. Each text is counted once. */
function tokensOf(history: Past, counts: Map<string, number>): number {
  let tokens = 0;
  for (const { parts } of history) {
    for (const part of parts) {
      const text = textOf(part);
      const count = counts.get(text) ?? countTokens(text, { disallowedSpecial: new Set() });
      counts.set(text, count);
      tokens += count;
    }
  }
  return tokens;
}

function textOf(part: Past[number]['parts'][number]): string {
  if (part.type === 'text' || part.type === 'reasoning') return part.text;
  if (part.type === 'tool-call') return `${part.name} ${JSON.stringify(part.input)}`;
  if (part.type !== 'tool-result') return JSON.stringify(part);
  return typeof part.output === 'string' ? part.output : JSON.stringify(part.output);
}

/** What is old leaves in the background, after a turn: here it is waited for, so that each replay is the same. */
async function quiet(runtime: Runtime): Promise<void> {
  while ((await runtime.registry.peek({ key: KEY }))?.state?.compacting === true)
    await new Promise((resolve) => setImmediate(resolve));
}

/** R2. */
async function proven(runtime: Runtime, steps: readonly Step[]): Promise<Run['proof']> {
  const log = await logOf(runtime);
  const turns = log.filter(({ kind }) => kind === 'turn.started').map(({ turn }) => turn);
  const outputOf = (turn: string | null, call: string): string | undefined =>
    steps[turns.indexOf(turn)]?.calls.find((each) => each.call === call)?.output;
  const wanted = new Map<string, string | undefined>();
  for (const event of log) {
    // The name of a file is what it holds.
    if (event.kind === 'context.offloaded') wanted.set(bodyOf(event).ref, bodyOf(event).ref.split(':')[1]);
    if (event.kind !== 'context.compacted') continue;
    for (const { kind, ref, calls = [] } of bodyOf(event).digests) {
      for (const { turn, call, ref: result } of calls) wanted.set(result, digestOf(outputOf(turn, call)));
      if (kind !== 'turns') continue;
      const stretch = within(log, ref);
      wanted.set(ref, digestOf(linesOfEvents(stretch)));
      for (const returned of stretch.filter((each) => each.kind === 'tool.returned'))
        wanted.set(`log:${returned.seq}`, digestOf(outputOf(returned.turn, bodyOf(returned).call)));
    }
  }
  let bytes = 0;
  const wrong: string[] = [];
  for (const [ref, digest] of wanted) {
    const text = await readBack(runtime, ref);
    const found = ref.includes('-') ? sameLines(text) : text;
    bytes += Buffer.byteLength(text);
    if (digestOf(found) !== digest) wrong.push(ref);
  }
  const compactions = log.filter(({ kind }) => kind === 'context.compacted').length;
  return { compactions, refs: wanted.size, bytes, wrong };
}

/** All of it, page by page, as a model would with the tool. */
async function readBack(runtime: Runtime, ref: string): Promise<string> {
  let text = '';
  for (let next: Parameters<Runtime['readBack']>[1] | undefined = { ref }; next !== undefined;) {
    const page: Awaited<ReturnType<Runtime['readBack']>> = await runtime.readBack(KEY, next);
    text += page.text;
    next = page.next;
  }
  return text;
}

const digestOf = (text = 'nothing'): string => createHash('sha256').update(text).digest('hex');

/** A stretch of the log, without the pieces that whole messages came in. */
function within(log: readonly Logged[], ref: string): readonly Logged[] {
  const [from = 0, to = 0] = ref.replace('log:', '').split('-').map(Number);
  return log.filter(({ seq, kind }) => seq >= from && seq <= to && !kind.endsWith('.delta'));
}

const linesOfEvents = (events: readonly Logged[]): string =>
  events.map(({ seq, kind, body }) => `${seq} ${kind} ${body}`).join('\n');

function sameLines(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const events = lines.map((line) => JSON.parse(line) as { seq: number; kind: string; body: unknown });
  return events.map(({ seq, kind, body }) => `${seq} ${kind} ${JSON.stringify(body)}`).join('\n');
}
