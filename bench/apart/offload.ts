// Offload: results of tools that are moved out of the log and read back, beside plain files of the same bytes.
//
// Ours is the whole way: from the agent's `tool.returned` until it goes on, when file and reference are durable; and from
// asking the runtime by a reference until the page is there. The plain files lie in the same folder, and nobody checks who
// may read them, nor whether they are what was written. Ratios are taken within a round.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { functionAgent } from '../../src/agent/function/function.ts';
import { inProcessBus } from '../../src/bus/in-process/in-process.ts';
import { createRuntime } from '../../src/runtime/create.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { ReadBackCall } from '../../src/wire/context.ts';
import type { Line } from '../results.ts';
import { median } from '../sample.ts';
import { recordedText } from '../week.ts';
import { openStore } from './open-store.ts';

const KiB = 1_024;
const MiB = KiB * KiB;
const SIZES = [
  { bytes: 9 * KiB, name: '9 KiB', count: 100 },
  { bytes: 64 * KiB, name: '64 KiB', count: 50 },
  { bytes: MiB, name: '1 MiB', count: 20 },
];
const KEY = 'reader';
const READS = 20;
const LIMITS = { toolCallsMax: 1_000_000 };

type NewLine = (what: string, value: number, unit: string) => Line;

/** Milliseconds for the same work, in one round. */
interface Round {
  ours: number;
  synced: number;
  plain: number;
}

export async function offloadBench(folder: string, quick: boolean): Promise<Line[]> {
  const line: NewLine = (what, value, unit) => ({ bench: 'context', what, value, unit });
  const scene = await Scene.open(folder);
  const rounds = quick ? 1 : 5;
  try {
    const lines: Line[] = [];
    await scene.round(textsOf(MiB / 8, 8)); // Warms the code.
    for (const { bytes, name, count } of SIZES) {
      const all: Round[] = [];
      for (let round = 0; round < rounds; round += 1) all.push(await scene.round(textsOf(bytes, count)));
      const rate = (pick: (round: Round) => number): number =>
        median(all.map((round) => (count * bytes) / MiB / (pick(round) / 1_000)));
      lines.push(
        line(
          `results of ${name} moved out, file and reference durable`,
          rate(({ ours }) => ours),
          'MiB/s',
        ),
        line(
          `... a plain file written and synced`,
          rate(({ synced }) => synced),
          'MiB/s',
        ),
        line(
          `... a plain file written, not synced`,
          rate(({ plain }) => plain),
          'MiB/s',
        ),
        line(
          '... moved out over written and synced',
          median(all.map(({ ours, synced }) => synced / ours)),
          'x',
        ),
      );
    }
    return [...lines, ...(await scene.readings(line, quick ? 3 : READS))];
  } finally {
    await scene.close();
  }
}

class Scene {
  readonly #folder: string;
  readonly #runtime: Runtime;
  readonly #given: { texts: readonly string[]; ms: number };
  #files = 0;

  private constructor(folder: string, runtime: Runtime, given: { texts: readonly string[]; ms: number }) {
    this.#folder = folder;
    this.#runtime = runtime;
    this.#given = given;
  }

  static async open(folder: string): Promise<Scene> {
    const given = { texts: [] as readonly string[], ms: 0 };
    const giver = functionAgent(async function* () {
      given.ms = 0;
      for (const [at, output] of given.texts.entries()) {
        const call = `call-${at}`;
        yield { kind: 'tool.called', call, name: 'give', input: {} };
        const start = performance.now();
        yield { kind: 'tool.returned', call, output };
        given.ms += performance.now() - start;
      }
    });
    const store = await openStore(`${folder}/ours`);
    mkdirSync(`${folder}/plain`);
    const agents = { giver };
    return new Scene(
      `${folder}/plain`,
      await createRuntime({ store, bus: inProcessBus(), agents, limits: LIMITS }),
      given,
    );
  }

  close(): Promise<unknown> {
    return this.#runtime.shutdown(0);
  }

  async round(texts: readonly string[]): Promise<Round> {
    const ours = await this.#moveOut(texts);
    const synced = await timed(async () => {
      for (const text of texts) {
        const file = await open(this.#newFile(), 'w');
        await file.writeFile(text);
        await file.sync();
        await file.close();
      }
    });
    const plain = await timed(async () => {
      for (const text of texts) await writeFile(this.#newFile(), text);
    });
    return { ours, synced, plain };
  }

  /** Of one result of 1 MiB, each way of reading beside what a program does that has it as a file. */
  async readings(line: NewLine, rounds: number): Promise<Line[]> {
    const [text = ''] = textsOf(MiB, 1);
    await this.#moveOut([text]);
    const { headSeq } = await this.#runtime.session(KEY);
    const { events } = await this.#runtime.events(KEY, { after: headSeq - 10 });
    const ref = `log:${events.findLast(({ kind }) => kind === 'tool.returned')?.seq}`;
    const file = this.#newFile();
    await writeFile(file, text);
    const all = text.split('\n');
    const last = all.at(-2) ?? '';
    const lines = { from: all.length >> 1, to: (all.length >> 1) + 19 };
    const ways = [
      {
        what: 'all of it, page by page',
        ours: () => this.#readAll({ ref }),
        plain: () => readFile(file, 'utf8'),
        found: text,
      },
      {
        what: '20 lines of the middle',
        ours: () => this.#readAll({ ref, lines }),
        plain: async () => linesOf(await readFile(file, 'utf8'), lines),
        found: linesOf(text, lines),
      },
      {
        what: 'a search for its last line',
        ours: () => this.#readAll({ ref, search: { pattern: `^${last}$`, around: 0 } }),
        plain: async () => searched(await readFile(file, 'utf8'), new RegExp(`^${last}$`)),
        found: searched(text, new RegExp(`^${last}$`)),
      },
    ];
    const found: Line[] = [];
    for (const { what, ours, plain, found: wanted } of ways) {
      const pairs: { ours: number; plain: number }[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        pairs.push({ ours: await read(ours, wanted), plain: await read(plain, wanted) });
      }
      const warm = pairs.slice(1);
      found.push(
        line(`1 MiB read back, ${what}, p50`, median(warm.map((pair) => pair.ours)), 'ms'),
        line('... of a plain file', median(warm.map((pair) => pair.plain)), 'ms'),
        line('... over the plain file', median(warm.map((pair) => pair.ours / pair.plain)), 'x'),
      );
    }
    return found;
  }

  async #moveOut(texts: readonly string[]): Promise<number> {
    this.#given.texts = texts;
    const { turn } = await this.#runtime.send(KEY, { input: 'go' });
    const view = await this.#runtime.finished(KEY, turn, { waitMs: 600_000 });
    if (view?.outcome !== 'completed')
      throw new Error(`A turn ended ${view?.outcome}: ${view?.error?.message}`);
    return this.#given.ms;
  }

  async #readAll(call: ReadBackCall): Promise<string> {
    let text = '';
    for (let next: ReadBackCall | undefined = call; next !== undefined;) {
      const page: Awaited<ReturnType<Runtime['readBack']>> = await this.#runtime.readBack(KEY, next);
      text += page.text;
      next = page.next;
    }
    return text;
  }

  #newFile(): string {
    this.#files += 1;
    return `${this.#folder}/${this.#files}`;
  }
}

/** Texts as tools return them, none like another: the last line says which it is. */
function textsOf(bytes: number, count: number): string[] {
  const text = recordedText(bytes);
  return Array.from({ length: count }, () => {
    const last = `\nThis is result ${randomUUID()}.\n`;
    return text.slice(0, bytes - last.length) + last;
  });
}

const linesOf = (text: string, { from, to }: { from: number; to: number }): string =>
  `${text
    .split('\n')
    .slice(from - 1, to)
    .join('\n')}\n`;

function searched(text: string, pattern: RegExp): string {
  let found = '';
  for (const [at, line] of text.split('\n').entries())
    if (pattern.test(line)) found += `${at + 1}: ${line}\n`;
  return found;
}

/** Throws where it is not what was looked for. */
async function read(reading: () => Promise<string>, wanted: string): Promise<number> {
  let text = '';
  const ms = await timed(async () => void (text = await reading()));
  if (text !== wanted)
    throw new Error(`Read ${text.length} characters that are not the ${wanted.length} wanted`);
  return ms;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
