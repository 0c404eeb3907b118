// Importing: what a caller brings becomes a session: an export of ours, or a log of another agent.
//
//   IM1. An export is taken in line by line. A log of another agent is read as a whole: it is bounded, and refused beyond.
//        Of those that are larger than LITTLE_CHARS_MAX a few are held at once, the others wait where they come from.
//   IM2. All of it is there under the key, or nothing is, whatever happens on the way.
import { breathe } from '../kernel/breath.ts';
import { SojournError } from '../kernel/errors.ts';
import { readForeign } from '../log/import/detect.ts';
import type { Caller } from '../wire/access.ts';
import { IMPORT_FORMATS, type ImportCall, type ImportedSession, type ImportSummary } from '../wire/calls.ts';
import { checkKey, requireScope } from './access.ts';
import { rowOf, viewOf } from './finding.ts';
import { ForeignImport, summaryOf } from './foreign-import.ts';
import type { RuntimeHost } from './host.ts';
import type { Portability } from './portability.ts';
import { Staging } from './staging.ts';
import { Turnstile } from './turnstile.ts';

const FOREIGN_CHARS_MAX = 64 * 1_024 * 1_024;
const LITTLE_CHARS_MAX = 1_024 * 1_024;
const LARGE = { what: 'large logs of other agents', insideMax: 2, waitingMax: 8 };
/** So many lines become one text while more come: very many may be very short. */
const LINES_HELD_MAX = 10_000;
const TITLE_CHARS_MAX = 200;

export class Importing {
  readonly #host: RuntimeHost;
  readonly #portability: Portability;
  readonly #large = new Turnstile(LARGE);

  constructor(host: RuntimeHost, portability: Portability) {
    this.#host = host;
    this.#portability = portability;
  }

  async import(
    key: string,
    lines: AsyncIterable<string>,
    call: ImportCall,
    caller: Caller,
  ): Promise<ImportedSession> {
    requireScope(caller, 'send');
    this.#host.admit();
    checkKey(key);
    const { format = 'auto' } = call;
    if (format !== 'auto' && !IMPORT_FORMATS.includes(format))
      throw new SojournError('input.invalid', `There is no format ${JSON.stringify(format).slice(0, 64)}`);
    const taken = await this.#host.store.byKey(caller.project, key);
    if (taken !== null) throw new SojournError('session.exists', `A session ${key} exists`);
    this.#host.router.countNew(caller.project);
    const imported = await this.#take(key, lines, { ...call, format }, caller);
    return { ...viewOf(this.#host, await rowOf(this.#host, caller, key)), imported };
  }

  async #take(
    key: string,
    lines: AsyncIterable<string>,
    call: ImportCall,
    caller: Caller,
  ): Promise<ImportSummary> {
    if (call.format === 'sojourn') return this.#portability.import(key, lines, call, caller);
    const source = lines[Symbol.asyncIterator]();
    const held: string[] = [];
    try {
      const isOurs = call.format === 'auto' && (await beginsAsExport(source, held));
      if (isOurs) return await this.#portability.import(key, following(held, source), call, caller);
      const text = new Gathering(following(held, source));
      if (await text.endsWithin(LITTLE_CHARS_MAX)) return await this.#foreign(key, text.take(), call, caller);
      return await this.#large.pass(async () => {
        this.#host.admit(); // It may have waited.
        if (await text.endsWithin(FOREIGN_CHARS_MAX)) return this.#foreign(key, text.take(), call, caller);
        throw text.wrong(`is past ${FOREIGN_CHARS_MAX} characters in all`);
      });
    } finally {
      await source.return?.();
    }
  }

  async #foreign(key: string, text: string, call: ImportCall, caller: Caller): Promise<ImportSummary> {
    const { ids, clock, agents, defaultAgent } = this.#host;
    const { agent = defaultAgent, format = 'auto' } = call;
    if (!agents.has(agent))
      throw new SojournError('agent.unknown', `No agent ${agent.slice(0, 64)} is registered`);
    const read = await readForeign(text, format === 'sojourn' ? 'auto' : format, breathe);
    const { project, owner, token } = caller;
    const staging = new Staging(this.#host, {
      id: ids.id(),
      project,
      key,
      agent,
      owner,
      maker: token,
      channel: null,
      parent: null,
      title: read.log.title?.toWellFormed().slice(0, TITLE_CHARS_MAX).toWellFormed() ?? null,
      summary: summaryOf(read),
      labels: [],
      metadata: '{}',
      budget: '{}',
      at: clock.now(),
    });
    const body = { agent, owner, channel: null, parent: null, importedFrom: { format: read.format } };
    const created = { at: 0, kind: 'session.created', turn: null, body: JSON.stringify(body) };
    try {
      const summary = await new ForeignImport(this.#host, staging, project).write(read, call, created);
      await staging.place();
      return summary;
    } catch (error) {
      await staging.discard(); // IM2
      throw error;
    }
  }
}

/** What was looked at is in `held`. */
async function beginsAsExport(source: AsyncIterator<string>, held: string[]): Promise<boolean> {
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    held.push(next.value);
    if (next.value.trim() === '') continue;
    return /^\uFEFF?\s*\{\s*"sojourn"\s*:/.test(next.value.slice(0, 1_000));
  }
  return false;
}

async function* following(held: readonly string[], source: AsyncIterator<string>): AsyncGenerator<string> {
  yield* held;
  for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
}

/** IM1. */
class Gathering {
  readonly #lines: AsyncIterator<string>;
  readonly #texts: string[] = [];
  #held: string[] = [];
  #count = 0;
  #chars = 0;

  constructor(lines: AsyncIterator<string>) {
    this.#lines = lines;
  }

  /** Takes lines until they end, or until they are past so many characters. */
  async endsWithin(charsMax: number): Promise<boolean> {
    while (this.#chars <= charsMax) {
      const next = await this.#lines.next();
      if (next.done === true) return true;
      this.#count += 1;
      this.#chars += next.value.length + 1;
      this.#held.push(next.value);
      if (this.#held.length >= LINES_HELD_MAX) this.#join();
    }
    return false;
  }

  /** All of it. It is not held here any more. */
  take(): string {
    this.#join();
    return this.#texts.splice(0).join('\n');
  }

  wrong(what: string): SojournError {
    return new SojournError('input.too_large', `Line ${this.#count} ${what}`);
  }

  #join(): void {
    if (this.#held.length === 0) return;
    this.#texts.push(this.#held.join('\n'));
    this.#held = [];
  }
}
