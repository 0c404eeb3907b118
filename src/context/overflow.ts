// Overflow: what is too large for the log becomes a file, and the log carries a reference.
//
//   O1. A reference is made only after its file is durable; the caller appends it with the artifact's row, and ahead of it,
//       in the same append, the `context.offloaded` that says so.
//   O2. What a person or the agent said is restored whole for the agent (restoring.ts); of a tool's result it is shown the
//       beginning, the end and how to read the rest, and of what a tool was given a short form.
//   O3. What there is no room for does not stop a log: of a tool's result the beginning and the end stay, with a note. What
//       a person sends is refused before it is accepted.
//   O4. What was read back is never moved out again.
//   O5. The same bytes are written once, as long as the session refers to them or is about to.
//   O6. Once much of a message stays, as JSON has it, less of each further part does. Where even so no event can hold it,
//       its writer says so instead.
//   O7. A reference that comes with what is said is taken only where this session's log has it already, and nothing else is
//       restored: what other sessions of a project moved out is theirs.
import { Buffer } from 'node:buffer';
import { READ_BACK } from '../agent/agent.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Draft } from '../log/session-log.ts';
import type { ArtifactRow } from '../store/store.ts';
import type { Offloaded } from '../wire/context.ts';
import type { EventKind } from '../wire/event.ts';
import type {
  ArtifactRef,
  FilePart,
  Input,
  InputPart,
  Message,
  Part,
  ReasoningPart,
  TextPart,
  ToolResultPart,
} from '../wire/message.ts';
import type { SessionAllowance } from './allowance.ts';
import type { ArtifactGuard } from './artifact-guard.ts';
import { shortInput } from './digest.ts';
import { estimate, estimateRef } from './estimate.ts';
import { excerptOf, excerptText, shownOf } from './excerpt.ts';
import { imprintOf } from './imprint.ts';
import { jsonText } from './json-text.ts';
import { artifactRef } from './reference.ts';
import { notOurs, Restoring } from './restoring.ts';

const SHOWN_BYTES = 2_048;
/** O4. What was read back fits `inlineBytesMax` as a text, and JSON may take six characters for one of them. */
const READ_BACK_FACTOR = 6;
/** What was said and finds no room stays in the log up to this, and is cut beyond. */
const UNKEPT_BYTES_MAX = 131_072;
/** References announced lately in this session, so that whatever repeats one is not announced again. */
const ANNOUNCED_MAX = 64;

/** A message of more parts, with more in those before, is crowded (O6); one of fewer only with more than `FULL_CHARS`. */
const CROWDED_PARTS = 8;
const CROWDED_CHARS = 262_144;
const FULL_CHARS = 524_288;
const CROWDED_PART_BYTES_MAX = 1_024;

/** What a provider wants back with a part; more of it is left out. */
const METADATA_CHARS_MAX = 65_536;

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

export interface OverflowOptions {
  files: Pick<ArtifactGuard, 'put' | 'keep' | 'read' | 'settled'>;
  allowance: SessionAllowance;
  project: string;
  inlineBytesMax: number;
  inlineTextBytesMax: number;
  /** Whether this session's log refers to it. */
  refers(digest: string): Promise<boolean>;
  now(): number;
}

/** What stays: of a result or a file, of what was said, and of what was read back. */
interface Stay {
  bytesMax: number;
  textBytesMax: number;
  readBackBytesMax: number;
}

const CROWDED: Stay = {
  bytesMax: CROWDED_PART_BYTES_MAX,
  textBytesMax: CROWDED_PART_BYTES_MAX,
  readBackBytesMax: CROWDED_PART_BYTES_MAX,
};

/** Something that may hold references, with the rows to append beside it and what to append ahead of it (O1). */
export interface Moved<Thing> {
  value: Thing;
  artifacts: readonly ArtifactRow[];
  offloaded: readonly Offloaded[];
}

/** What will carry the reference. */
export interface Carrier {
  from: EventKind;
  call?: string;
  /** Of the tool that was called. */
  name?: string;
  /** The JSON of what is carried, where the caller has it. */
  json?: string;
}

interface Put {
  ref: ArtifactRef;
  row: ArtifactRow;
}

/** There is no room: `unkept` is said of it instead (O3). */
interface Unkept {
  unkept: string;
  detail: string;
}

export class Overflow {
  readonly #options: OverflowOptions;
  /** Most sessions move nothing out, and hold nothing for it. */
  #announced: Set<string> | undefined;
  readonly #restoring: Restoring;
  readonly #stay: Stay;

  constructor(options: OverflowOptions) {
    this.#options = options;
    this.#restoring = new Restoring(options);
    const { inlineBytesMax, inlineTextBytesMax } = options;
    const readBackBytesMax = READ_BACK_FACTOR * Math.max(inlineBytesMax, SHOWN_BYTES);
    this.#stay = { bytesMax: inlineBytesMax, textBytesMax: inlineTextBytesMax, readBackBytesMax };
  }

  /** Of what was said. A text that fits is answered as it is. */
  async text(
    text: string,
    from: EventKind,
    { textBytesMax } = this.#stay,
  ): Promise<Moved<{ text: string; ref?: ArtifactRef }>> {
    if (!isOver(text, textBytesMax)) return still({ text });
    const bytes = Buffer.from(text);
    const put = await this.#put(bytes, TEXT, null);
    if (!('ref' in put)) return still({ text: bytes.length <= UNKEPT_BYTES_MAX ? text : put.unkept });
    return this.#moved({ text: put.ref.preview, ref: put.ref }, put, { from }, put.ref.tokens ?? 0);
  }

  /** Of what a tool is given, or a framework says: as it is, or a short form of it. */
  async json(
    whole: unknown,
    carrier: Carrier,
    { textBytesMax } = this.#stay,
  ): Promise<Moved<{ short: unknown; ref?: ArtifactRef }>> {
    const text = carrier.json ?? (await jsonText(whole));
    if (!isOver(text, textBytesMax)) return still({ short: whole });
    const put = await this.#put(Buffer.from(text), JSON_TYPE, null);
    const short = shortInput(whole);
    if ('ref' in put)
      return this.#moved({ short, ref: put.ref }, put, carrier, estimate(JSON.stringify(short)));
    return still({ short: isOver(text, UNKEPT_BYTES_MAX) ? short : whole });
  }

  /** A tool's output: either `output` as it is, or the members of a reference. */
  async output(output: unknown, carrier: Carrier): Promise<Moved<{ output: unknown } | ArtifactRef>> {
    return this.#carried(output, await this.#output(output, carrier, this.#stay), carrier);
  }

  /** The same where all of it has to be kept. Throws `artifact.quota`. */
  async whole(output: unknown, carrier: Carrier): Promise<Moved<{ output: unknown } | ArtifactRef>> {
    const made = await this.#output(output, carrier, this.#stay);
    if (made !== undefined && !('ref' in made)) throw noRoom(made);
    return this.#carried(output, made, carrier);
  }

  /** What a model is shown of an output: as it is, or the beginning, the end and how to read it back. */
  async shown(output: unknown): Promise<unknown> {
    const made = await this.#output(output, {}, this.#stay);
    if (made === undefined) return output;
    return 'ref' in made ? shownOf(made.ref) : made.unkept;
  }

  /** Throws `artifact.quota` (O3), and `artifact.not_found` (O7). */
  async input(parts: readonly InputPart[]): Promise<Moved<readonly InputPart[]>> {
    return this.#each(parts, (part, stay) => this.#said(part, 'turn.accepted', stay));
  }

  async message(parts: readonly Part[]): Promise<Moved<readonly Part[]>> {
    return this.#each(parts.map(lean), (part, stay) => {
      if (part.ref !== undefined) return this.#known(part, part.ref);
      switch (part.type) {
        case 'text':
        case 'file':
          return this.#said(part, 'message', stay);
        case 'tool-result':
          return this.#result(part, stay);
        case 'reasoning':
          return isOver(part.text, stay.textBytesMax) ? this.#textIn(part, 'message', stay) : part;
        case 'tool-call':
          return this.json(part.input, { from: 'message', call: part.call }, stay).then(
            ({ value: { short, ...ref }, ...rest }) => ({
              value: { ...part, input: short, ...ref },
              ...rest,
            }),
          );
        case 'custom':
          return this.json(part.data, { from: 'message' }, stay).then(
            ({ value: { short, ...ref }, ...rest }) => ({ value: { ...part, data: short, ...ref }, ...rest }),
          );
      }
    });
  }

  /** O2. Throws what reading throws. */
  restoreInput(input: Input): Promise<Input> {
    return this.#restoring.input(input);
  }

  /** O2. What cannot be read any more is shown in short, and says so. */
  restore(messages: readonly Message[]): Promise<readonly Message[]> {
    return this.#restoring.messages(messages);
  }

  /** The rows of these are written, or will never be. */
  settled(rows: readonly ArtifactRow[]): void {
    const { files, project, allowance } = this.#options;
    const digests = rows.map(({ digest }) => digest);
    for (const digest of digests) allowance.settled(digest);
    files.settled(project, digests);
  }

  async #result(part: ToolResultPart, stay: Stay): Promise<Moved<Part>> {
    const { call, name } = part;
    const made = await this.#output(part.output, { name }, stay);
    if (made === undefined) return still(part);
    const { value, ...rest } = this.#carried(part.output, made, { from: 'message', call });
    if ('output' in value) return { value: { ...part, output: value.output }, ...rest };
    const { output: _moved, ...whole } = part;
    return { value: { ...whole, ref: value }, ...rest };
  }

  #carried(
    output: unknown,
    made: Put | Unkept | undefined,
    carrier: Carrier,
  ): Moved<{ output: unknown } | ArtifactRef> {
    if (made === undefined) return still({ output: output ?? null });
    if (!('ref' in made)) return still({ output: made.unkept });
    return this.#moved(made.ref, made, carrier, estimate(shownOf(made.ref)));
  }

  async #each<Each extends Part>(
    parts: readonly Each[],
    convert: (part: Each, stay: Stay) => Promise<Moved<Part>> | Part,
  ): Promise<Moved<readonly Each[]>> {
    const artifacts: ArtifactRow[] = [];
    const offloaded: Offloaded[] = [];
    const value: Part[] = [];
    const charsMax = parts.length > CROWDED_PARTS ? CROWDED_CHARS : FULL_CHARS;
    let chars = 0;
    for (const part of parts) {
      const made = convert(part, chars > charsMax ? CROWDED : this.#stay); // O6
      const moved = made instanceof Promise ? await made : still(made);
      value.push(moved.value);
      artifacts.push(...moved.artifacts);
      offloaded.push(...moved.offloaded);
      if (parts.length > 1) chars += JSON.stringify(moved.value).length;
    }
    return { value: value as Each[], artifacts, offloaded };
  }

  #said(part: TextPart | FilePart, from: EventKind, stay: Stay): Promise<Moved<Part>> | Part {
    if (part.ref !== undefined) return this.#known(part, part.ref, from);
    if (part.type === 'file') {
      const { data, ...rest } = part;
      return data === undefined || !isOver(data, stay.bytesMax) ? part : this.#file(data, rest, from);
    }
    if (!isOver(part.text, stay.textBytesMax)) return part;
    if (from === 'turn.accepted') return this.#textPart(part, from);
    return this.#textIn(part, from, stay);
  }

  async #textIn(part: TextPart | ReasoningPart, from: EventKind, stay: Stay): Promise<Moved<Part>> {
    const { value, ...rest } = await this.text(part.text, from, stay);
    return { value: { ...part, ...value }, ...rest };
  }

  /** O7. What a person sends is refused, and of what an agent says the reference is left out. */
  async #known(part: Part, ref: ArtifactRef, from: EventKind = 'message'): Promise<Moved<Part>> {
    if (await this.#options.refers(ref.artifact)) return still(part);
    const error = notOurs(ref);
    if (from === 'turn.accepted') throw error;
    const { ref: _foreign, ...rest } = part;
    if (rest.type === 'tool-result') return still({ ...rest, output: rest.output ?? error.message });
    if (rest.type !== 'file') return still(rest);
    return still({ type: 'text', text: `[${rest.name ?? rest.mediaType}]\n${error.message}` });
  }

  async #textPart(part: TextPart, from: EventKind): Promise<Moved<Part>> {
    const put = await this.#put(Buffer.from(part.text), TEXT, null);
    if (!('ref' in put)) throw noRoom(put);
    return this.#moved({ ...part, text: put.ref.preview, ref: put.ref }, put, { from }, put.ref.tokens ?? 0);
  }

  async #file(data: string, part: Omit<FilePart, 'data'>, from: EventKind): Promise<Moved<Part>> {
    const bytes = Buffer.from(data, 'base64');
    const put = await this.#put(bytes, part.mediaType, part.name ?? null);
    if ('ref' in put) return this.#moved({ ...part, ref: put.ref }, put, { from }, put.ref.tokens ?? 0);
    if (from === 'turn.accepted') throw noRoom(put);
    return still({ type: 'text', text: `[${part.name ?? part.mediaType}]\n${put.unkept}` });
  }

  /** Undefined for what fits. */
  async #output(
    output: unknown,
    { name, json }: Pick<Carrier, 'name' | 'json'>,
    stay: Stay,
  ): Promise<Put | Unkept | undefined> {
    // A text that has no UTF-8 is kept as JSON: nothing of it is lost.
    const isText = typeof output === 'string' && output.isWellFormed();
    const text = isText ? output : (json ?? (await jsonText(output)));
    if (!isOver(text, name === READ_BACK ? stay.readBackBytesMax : stay.bytesMax)) return undefined;
    return this.#put(Buffer.from(text), isText ? TEXT : JSON_TYPE, null);
  }

  /** O5. */
  async #put(bytes: Buffer, mediaType: string, name: string | null): Promise<Put | Unkept> {
    const { files, project, allowance, inlineBytesMax } = this.#options;
    const { digest, lines } = await imprintOf(bytes);
    const size = bytes.byteLength;
    const excerpt = excerptOf(bytes, mediaType, Math.min(SHOWN_BYTES, inlineBytesMax, size / 2), lines);
    const grant = await allowance.ask(digest, size);
    const ref: ArtifactRef = { artifact: digest, bytes: size, mediaType, ...excerpt };
    if (grant.kind === 'refused')
      return { unkept: excerptText(ref, 'could not be kept: artifact.quota'), detail: grant.detail };
    const isThere = grant.kind === 'kept' ? await this.#isThere(digest) : files.keep(project, digest);
    if (!isThere) {
      try {
        await files.put(project, bytes, digest);
      } catch (error) {
        allowance.failed(digest);
        throw error;
      }
    }
    return { ref, row: { digest, bytes: size, mediaType, name, at: this.#options.now() } };
  }

  /** A file that a log refers to and that was lost or damaged is put again. */
  #isThere(digest: string): Promise<boolean> {
    const { files, project } = this.#options;
    return files.read(project, digest, 0, 0).then(
      () => true,
      () => false,
    );
  }

  #moved<Thing>(value: Thing, { ref, row }: Put, { from, call }: Carrier, shownTokens: number): Moved<Thing> {
    const repeats = (from === 'message' && call !== undefined) || from === 'turn.ended';
    this.#announced ??= new Set();
    const announced = this.#announced;
    const isAnnounced = repeats && announced.has(ref.artifact);
    announced.add(ref.artifact);
    const [oldest] = announced;
    if (announced.size > ANNOUNCED_MAX && oldest !== undefined) announced.delete(oldest);
    const offloaded = isAnnounced
      ? []
      : [offloadOf(ref, { from, ...(call === undefined ? {} : { call }) }, shownTokens)];
    return { value, artifacts: [row], offloaded };
  }
}

/** What is appended ahead of what carries the reference (O1). */
export function offloads(turn: string | null, offloaded: readonly Offloaded[]): Draft[] {
  return offloaded.map((body) => ({ kind: 'context.offloaded', turn, body }));
}

export function offloadOf(
  whole: ArtifactRef,
  about: Pick<Offloaded, 'from' | 'call'>,
  shownTokens: number,
): Offloaded {
  const { artifact, bytes, mediaType } = whole;
  const ref = artifactRef(artifact);
  return { artifact, bytes, mediaType, ...about, tokens: estimateRef(whole), shownTokens, ref };
}

const still = <Thing>(value: Thing): Moved<Thing> => ({ value, artifacts: [], offloaded: [] });

function noRoom({ detail }: Unkept): SojournError {
  return new SojournError('artifact.quota', detail);
}

function isOver(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax);
}

function lean(part: Part): Part {
  if (part.metadata === undefined) return part;
  const chars = JSON.stringify(part.metadata).length;
  if (chars <= METADATA_CHARS_MAX) return part;
  return { ...part, metadata: { sojourn: { leftOut: `${chars} characters of metadata` } } };
}
