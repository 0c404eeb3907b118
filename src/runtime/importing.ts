// Importing: what a caller brings becomes a session: an export of ours, or a log of another agent.
//
//   IM1. An export is taken in line by line. A log of another agent is read as a whole: it is bounded, and refused beyond.
//   IM2. All of it is there under the key, or nothing is, whatever happens on the way.
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

const FOREIGN_CHARS_MAX = 64 * 1_024 * 1_024;
const TITLE_CHARS_MAX = 200;

export class Importing {
  readonly #host: RuntimeHost;
  readonly #portability: Portability;

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
      return await this.#foreign(key, await wholeText(following(held, source)), call, caller);
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

/** Whatever else is ready runs first. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

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
async function wholeText(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  let chars = 0;
  for await (const line of lines) {
    chars += line.length + 1;
    if (chars > FOREIGN_CHARS_MAX)
      throw new SojournError(
        'input.too_large',
        `Line ${all.length + 1} is past ${FOREIGN_CHARS_MAX} characters in all`,
      );
    all.push(line);
  }
  return all.join('\n');
}
