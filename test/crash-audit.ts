// Audit: what is left of the story of crash-story.ts after its process died or failed, looked at from outside.
//
//   AU1. Nothing that somebody was told of is missing, and nothing is there twice, also after all of it was told again.
//   AU2. What was moved out is whole, byte for byte, under its reference; no file is there that no log refers to, and no half.
//   AU3. A working set is what its log says, whether it lived on, came from a checkpoint, or is made from the start.
import { hash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { encoding } from '../src/context/encoding.ts';
import { WorkingSet } from '../src/context/working-set.ts';
import { parseEvent } from '../src/log/event.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { leftOf } from '../src/session/live.ts';
import { projectFolder } from '../src/store/sqlite/files.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import type { SessionRow, Store, StoredEvent } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import type { ContextView, ReadBackCall } from '../src/wire/context.ts';
import type { Event, EventKind } from '../src/wire/event.ts';
import { textOf } from '../src/wire/message.ts';
import { Faults } from './crash-faults.ts';
import { atRest } from './crash-rest.ts';
import {
  AGENTS,
  BEGINNING,
  collect,
  type Line,
  LIMITS,
  returnedBy,
  STORE_LIMITS,
  storyRuntime,
  tellAgain,
  type Told,
} from './crash-story.ts';
import { textsBy } from './working-set-log.ts';

const HOUR = 60 * 60_000;
const PROJECT = 'default';
/** Said last, to each session. */
const GOING_ON = 'read 99 700\nsay 98 20';

/** What is wrong, a line each; and what there was of it, so that a test can tell that it looked at something. */
export interface Findings {
  wrong: string[];
  references: number;
  digests: { by: string; kind: string }[];
}

/** Opens the folder as the next process would, looks, tells this story again, and looks again. */
export async function audit(
  folder: string,
  told: readonly Told[],
  story: readonly Line[],
): Promise<Findings> {
  const clock = new ManualClock(Date.UTC(2030, 0, 1) + 10 * HOUR);
  const options = { folder, clock, logger: silentLogger, limits: STORE_LIMITS };
  const faults = new Faults({ nth: 0, way: 'before' });
  await encoding();
  const store = faults.watch(await sqliteStore({ ...options, durability: 'process-crash' }));
  const runtime = await storyRuntime(store, clock);
  try {
    const rest = (): Promise<void> => atRest(() => faults.open === 0);
    await rest();
    const auditor = new Auditor(store, runtime, folder, told, story);
    await auditor.look();
    const isOver = await auditor.erase();
    const again = story.filter(({ key }) => key !== 'gone' || !isOver);
    await tellAgain({ runtime, clock, rest, told: (step) => auditor.hear(step) }, again);
    await collect({ clock, rest });
    await auditor.look();
    await auditor.lookAtAll(isOver);
    return auditor.findings;
  } finally {
    await runtime.shutdown(0);
  }
}

class Auditor {
  readonly findings: Findings = { wrong: [], references: 0, digests: [] };
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #folder: string;
  readonly #told: Told[];
  readonly #story: readonly Line[];
  /** What was there to be copied, at least. */
  readonly #sent: number;
  /** Of every session that there is. */
  #digests = new Set<string>();

  constructor(store: Store, runtime: Runtime, folder: string, told: readonly Told[], story: readonly Line[]) {
    this.#store = store;
    this.#runtime = runtime;
    this.#folder = folder;
    this.#told = [...told];
    this.#story = story;
    const first = new Set(BEGINNING.map(({ once }) => once));
    this.#sent = told.filter((step) => step.kind === 'sent' && first.has(step.once)).length;
  }

  /** Of this process. Nothing fails here, so nothing is refused. */
  hear(step: Told): void {
    this.#told.push(step);
    if (step.kind === 'refused') this.#wrong(`${step.what} was refused with ${step.code}`);
  }

  /** Each session by itself. */
  async look(): Promise<void> {
    this.#digests = new Set();
    this.findings.references = 0;
    this.findings.digests = [];
    const rows = await this.#rows();
    for (const row of rows) await this.#session(row);
    const keys = new Set(rows.map(({ key }) => key));
    for (const step of this.#told) {
      if (step.kind === 'imported' && !keys.has(step.key))
        this.#wrong(`${step.key} was imported and is not there`);
    }
    if (keys.has('part')) this.#wrong('part of an import is there');
    if ((await this.#store.staged(10)).length > 0) this.#wrong('something is being put together for ever');
  }

  /** Whoever was not answered asks again. True where `gone` is gone, or was to be. */
  async erase(): Promise<boolean> {
    const row = (await this.#rows()).find(({ key }) => key === 'gone');
    if (row?.state === 'closed') await this.#runtime.close('gone', { erase: true });
    return row?.state === 'closed' || this.#told.some((step) => step.kind === 'erased');
  }

  /** Once all was told again: each message once, each file that is referred to, and no other. */
  async lookAtAll(isErased: boolean): Promise<void> {
    const rows = await this.#rows();
    for (const key of new Set(this.#story.map((line) => line.key))) {
      const row = rows.find((each) => each.key === key);
      if (key === 'gone' && isErased) {
        if (row !== undefined) this.#wrong('gone is there again');
        continue;
      }
      const said = row === undefined ? [] : [...(await this.#inputs(row)).values()];
      const expected = this.#story.filter((line) => line.key === key).map(({ input }) => input);
      if (!isSame(said.toSorted(), expected.toSorted()))
        this.#wrong(`${key} has ${JSON.stringify(said.map((text) => text.slice(0, 20)))}`);
    }
    const files = this.#files();
    if (!isSame(files, [...this.#digests].toSorted()))
      this.#wrong(`files ${files.join()} instead of ${[...this.#digests].toSorted().join()}`);
    for (const row of rows) {
      await this.#runtime.evict(row.key); // What it leaves is what it was.
      await this.#set(row, await this.#log(row));
      await this.#goesOn(row.key);
    }
  }

  async #goesOn(key: string): Promise<void> {
    const { turn } = await this.#runtime.send(key, { input: GOING_ON });
    const view = await this.#runtime.finished(key, turn, { waitMs: Infinity });
    if (view?.outcome !== 'completed') this.#wrong(`${key} does not go on: ${view?.outcome ?? 'no outcome'}`);
  }

  async #rows(): Promise<readonly SessionRow[]> {
    return (await this.#store.list({ project: PROJECT, limit: 100 })).sessions;
  }

  async #session(row: SessionRow): Promise<void> {
    const stored = await this.#log(row);
    const events = stored.map(parseEvent);
    if (row.headSeq !== stored.length || stored.some(({ seq }, index) => seq !== index + 1))
      this.#wrong(`${row.key} has a gap: ${stored.length} of ${row.headSeq}`);
    await this.#turns(row, events);
    await this.#calls(row, events);
    await this.#references(row, events);
    this.#compactions(row, events);
    await this.#set(row, stored);
    if (row.key === 'copy') await this.#copied(stored);
  }

  async #log({ num }: SessionRow): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for (let page: readonly StoredEvent[] | undefined; page?.length !== 0;) {
      page = await this.#store.read(num, events.at(-1)?.seq ?? 0, { eventsMax: 1_000, bytesMax: 1_048_576 });
      events.push(...page);
    }
    return events;
  }

  /** AU1. */
  async #turns(row: SessionRow, events: readonly Event[]): Promise<void> {
    const accepted = ofKind(events, 'turn.accepted').map(({ turn }) => turn);
    const ended = ofKind(events, 'turn.ended').map(({ turn }) => turn);
    if (new Set(accepted).size !== accepted.length) this.#wrong(`${row.key} has a message twice`);
    if (ended.length !== accepted.length || !accepted.every((turn) => ended.includes(turn)))
      this.#wrong(`${row.key} has ${accepted.length} turns with ${ended.length} outcomes`);
    const ends = ofKind(events, 'turn.ended').filter(({ body }) => body.outcome !== 'completed');
    // A disk that fails may fail a turn; a process that dies does not.
    if (ends.length > 0 && !this.#told.some(({ kind }) => kind === 'over'))
      this.#wrong(`${row.key} has a turn that ended ${ends[0]?.body.outcome}`);
    const inputs = await this.#inputs(row);
    const said = [...inputs.values()].filter((input) => input !== GOING_ON);
    if (new Set(said).size !== said.length) this.#wrong(`${row.key} was told the same twice`);
    const isErasing = this.#told.some((step) => step.kind === 'refused' && step.what === 'import a part');
    for (const step of this.#told) {
      if (step.kind !== 'sent' || step.key !== row.key || (row.key === 'gone' && isErasing)) continue;
      if (inputs.get(step.turn) !== step.input) this.#wrong(`${step.once} was taken and is not there`);
    }
  }

  /** What was said, by turn: as it was sent. */
  async #inputs(row: SessionRow): Promise<Map<string, string>> {
    const events = (await this.#log(row)).map(parseEvent);
    const inputs = new Map<string, string>();
    for (const { turn, body, seq } of ofKind(events, 'turn.accepted')) {
      const isWhole = body.input.parts.every(({ ref }) => ref === undefined);
      inputs.set(
        turn ?? '',
        isWhole ? textOf(body.input.parts) : await this.#readBack(row.key, `log:${seq}`),
      );
    }
    return inputs;
  }

  /** AU2: each result as it was returned. */
  async #calls(row: SessionRow, events: readonly Event[]): Promise<void> {
    const inputs = await this.#inputs(row);
    const seen = new Set<string>();
    let attempt = 0;
    for (const event of events) {
      if (event.kind === 'turn.started') attempt += 1;
      if (event.kind !== 'tool.returned' || event.body.unknown === true) continue;
      const { call } = event.body;
      const name = `${attempt} ${event.turn} ${call}`;
      if (seen.has(name)) this.#wrong(`${row.key} has the result of a call twice`);
      seen.add(name);
      const whole = returnedBy(inputs.get(event.turn ?? '') ?? '', call);
      const read = await this.#readBack(row.key, `log:${event.seq}`);
      if (whole !== undefined && read !== whole) this.#wrong(`${row.key} has lost what ${call} returned`);
    }
  }

  /** AU2. */
  async #references(row: SessionRow, events: readonly Event[]): Promise<void> {
    const named = new Map<string, number>();
    for (const event of events) for (const [digest, bytes] of namedIn(event.body)) named.set(digest, bytes);
    for (const [index, event] of events.entries()) {
      if (event.kind !== 'context.offloaded') continue;
      const carrier = events.slice(index + 1).find(({ kind }) => kind !== 'context.offloaded');
      const isCarried = [...namedIn(carrier?.body)].some(([digest]) => digest === event.body.artifact);
      // One message may carry several, and be followed by another.
      if (!isCarried && carrier?.kind !== 'message') this.#wrong(`${row.key} announces what nothing carries`);
    }
    const rows = await this.#store.artifacts(row.num);
    if (!isSame(rows.map(({ digest }) => digest).toSorted(), [...named.keys()].toSorted()))
      this.#wrong(`${row.key} refers to ${named.size} artifacts and has ${rows.length}`);
    for (const [digest, bytes] of named) {
      this.findings.references += 1;
      this.#digests.add(digest);
      const whole = Buffer.from(await this.#readBack(row.key, `artifact:${digest}`));
      if (whole.byteLength !== bytes || hash('sha256', whole) !== digest)
        this.#wrong(`${row.key} cannot read back ${digest}`);
    }
  }

  async #readBack(key: string, ref: string): Promise<string> {
    let text = '';
    for (let call: ReadBackCall | undefined = { ref }; call !== undefined;) {
      const read = await this.#runtime.readBack(key, call);
      text += read.text ?? '';
      call = read.next;
    }
    return text;
  }

  #compactions(row: SessionRow, events: readonly Event[]): void {
    const folded = new Set<string>();
    const calls = new Set<string>();
    let last = { from: 0, to: 0 };
    for (const { body } of ofKind(events, 'context.compacted')) {
      for (const digest of body.digests) {
        this.findings.digests.push({ by: body.by, kind: digest.kind });
        for (const { turn, call } of digest.calls ?? []) {
          if (calls.has(`${turn} ${call}`) || folded.has(turn))
            this.#wrong(`${row.key} digests a call twice`);
          calls.add(`${turn} ${call}`);
        }
        if (digest.kind !== 'turns') continue;
        if (digest.turns.some((turn) => folded.has(turn))) this.#wrong(`${row.key} folds a turn twice`);
        for (const turn of digest.turns) folded.add(turn);
        const isNext = digest.from > last.to || (digest.from <= last.from && digest.to > last.to);
        if (!isNext) this.#wrong(`${row.key} has digests of stretches that overlap`);
        last = digest;
      }
    }
  }

  /** AU3. */
  async #set(row: SessionRow, stored: readonly StoredEvent[]): Promise<void> {
    const context = AGENTS[row.agent]?.context ?? {};
    const { windowTokens = DEFAULT_LIMITS.contextTokens, model } = context;
    const options = { windowTokens, model, texts: textsBy(), limits: { ...DEFAULT_LIMITS, ...LIMITS } };
    const anew = new WorkingSet(options);
    anew.feed(stored);
    await anew.counted();
    const expected = shownOf(anew.view());
    const shown = shownOf(await this.#runtime.context(row.key));
    for (const name of Object.keys(expected) as (keyof typeof expected)[]) {
      // One that was near its window goes on counting exactly, one that is read anew far from it does not.
      if (name === 'counts' && shown.counting !== expected.counting) continue;
      if (name !== 'counting' && !isSame(shown[name], expected[name]))
        this.#wrong(`${row.key} shows other ${name} than its log`);
    }
    const { conversation } = leftOf((await this.#store.snapshot(row.num)) ?? '{}');
    if (conversation === undefined) return;
    const behind = WorkingSet.from(conversation, options);
    behind.feed(stored);
    if (!isSame(behind.history(), anew.history()))
      this.#wrong(`${row.key} goes on with another history from its checkpoint`);
  }

  /** It is all there or not at all. */
  async #copied(copy: readonly StoredEvent[]): Promise<void> {
    const [work] = (await this.#rows()).filter(({ key }) => key === 'work');
    const log = work === undefined ? [] : await this.#log(work);
    const bare = ({ seq, kind, turn, body }: StoredEvent): string =>
      JSON.stringify({ seq, kind, turn, body });
    const ends = copy.filter(({ kind }) => kind === 'turn.ended').length;
    if (ends < this.#sent) this.#wrong(`copy has ${ends} of ${this.#sent} turns`);
    const taken = copy.slice(
      0,
      copy.findIndex((event) => event.kind === 'turn.ended' && event.seq >= copy.length),
    );
    if (taken.some((event, index) => bare(event) !== bare(log[index] ?? event)))
      this.#wrong('copy is not what was exported');
  }

  #files(): string[] {
    const folder = join(this.#folder, 'artifacts');
    if (!existsSync(folder)) return [];
    const found = readdirSync(folder, { recursive: true, withFileTypes: true });
    return found
      .filter((entry) => !entry.isDirectory())
      .map(
        ({ name, parentPath }) =>
          `${parentPath.slice(join(folder, projectFolder(PROJECT)).length + 1)}${name}`,
      )
      .toSorted();
  }

  #wrong(what: string): void {
    this.findings.wrong.push(what);
  }
}

function ofKind<Kind extends EventKind>(
  events: readonly Event[],
  kind: Kind,
): Extract<Event, { kind: Kind }>[] {
  return events.filter((event) => event.kind === kind) as Extract<Event, { kind: Kind }>[];
}

function shownOf({
  entries,
  compactions,
  tasks,
  calls,
  counting,
}: Omit<ContextView, 'session' | 'artifacts' | 'marks'>) {
  return {
    entries: entries.map(({ tokens: _tokens, callTokens: _callTokens, ...entry }) => entry),
    counts: entries.map(({ tokens, callTokens }) => [tokens, callTokens]),
    counting,
    compactions,
    tasks,
    calls,
  };
}

/** Every reference in a body. */
function* namedIn(body: unknown): Generator<[string, number]> {
  if (typeof body !== 'object' || body === null) return;
  if ('artifact' in body && 'bytes' in body && typeof body.artifact === 'string')
    yield [body.artifact, Number(body.bytes)];
  for (const member of Object.values(body)) yield* namedIn(member);
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
