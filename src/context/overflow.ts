// Overflow: what is too large for the log becomes a file, and the log carries a reference.
//
//   O1. A reference is made only after its file is durable; the caller appends it with the artifact's row.
//   O2. What a person or the agent said is restored whole for the agent; a tool's result stays a reference.
import { Buffer } from 'node:buffer';
import type { ArtifactRow, ArtifactStore } from '../store/store.ts';
import type { ArtifactRef, FilePart, Input, InputPart, Message, Part, TextPart } from '../wire/message.ts';

const PREVIEW_CHARS = 1_000;

export interface OverflowOptions {
  files: ArtifactStore;
  project: string;
  inlineBytesMax: number;
  now(): number;
}

/** Something that may hold references, with the rows to append beside it. */
export interface Offloaded<Thing> {
  value: Thing;
  artifacts: readonly ArtifactRow[];
}

export class Overflow {
  readonly #options: OverflowOptions;

  constructor(options: OverflowOptions) {
    this.#options = options;
  }

  /** A text that fits is answered as it is. */
  async text(text: string): Promise<{ text: string; ref?: ArtifactRef; artifacts: readonly ArtifactRow[] }> {
    if (!this.#overflows(text)) return { text, artifacts: [] };
    const { ref, row } = await this.#put(Buffer.from(text), 'text/plain; charset=utf-8', null, preview(text));
    return { text: ref.preview, ref, artifacts: [row] };
  }

  /** A tool's output: either `output` as it is, or the members of a reference. */
  async output(output: unknown): Promise<Offloaded<{ output: unknown } | ArtifactRef>> {
    const text = typeof output === 'string' ? output : (JSON.stringify(output) ?? 'null');
    if (!this.#overflows(text)) return { value: { output: output ?? null }, artifacts: [] };
    const type = typeof output === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
    const { ref, row } = await this.#put(Buffer.from(text), type, null, preview(text));
    return { value: ref, artifacts: [row] };
  }

  async input(parts: readonly InputPart[]): Promise<Offloaded<readonly InputPart[]>> {
    return this.#each(parts, (part) => this.#inputPart(part));
  }

  async message(parts: readonly Part[]): Promise<Offloaded<readonly Part[]>> {
    return this.#each(parts, (part) => this.#part(part));
  }

  /** O2. */
  async restoreInput(input: Input): Promise<Input> {
    return { ...input, parts: await Promise.all(input.parts.map((part) => this.#restored(part))) };
  }

  async restore(messages: readonly Message[]): Promise<readonly Message[]> {
    return Promise.all(
      messages.map(async (message) => {
        const parts = await Promise.all(
          message.parts.map(async (part): Promise<Part> => (isSaid(part) ? this.#restored(part) : part)),
        );
        return { ...message, parts };
      }),
    );
  }

  #overflows(text: string): boolean {
    const max = this.#options.inlineBytesMax;
    return text.length > max || (text.length * 3 > max && Buffer.byteLength(text) > max);
  }

  async #each<Each extends Part>(
    parts: readonly Each[],
    convert: (part: Each) => Promise<Offloaded<Each>> | Each,
  ): Promise<Offloaded<readonly Each[]>> {
    const artifacts: ArtifactRow[] = [];
    const value: Each[] = [];
    for (const part of parts) {
      const made = convert(part);
      if (!(made instanceof Promise)) {
        value.push(made);
        continue;
      }
      const offloaded = await made;
      value.push(offloaded.value);
      artifacts.push(...offloaded.artifacts);
    }
    return { value, artifacts };
  }

  #inputPart(part: InputPart): Promise<Offloaded<InputPart>> | InputPart {
    return part.type === 'text' ? this.#textPart(part) : this.#filePart(part);
  }

  #part(part: Part): Promise<Offloaded<Part>> | Part {
    if (part.type === 'text') return this.#textPart(part);
    if (part.type === 'file') return this.#filePart(part);
    if (part.type !== 'tool-result' || part.ref !== undefined) return part;
    return this.output(part.output).then(({ value, artifacts }) => {
      if ('output' in value) return { value: part, artifacts };
      const { output: _moved, ...rest } = part;
      return { value: { ...rest, ref: value }, artifacts };
    });
  }

  #textPart(part: TextPart): Promise<Offloaded<TextPart>> | TextPart {
    if (part.ref !== undefined || !this.#overflows(part.text)) return part;
    return this.text(part.text).then(({ text, ref, artifacts }) => ({
      value: ref === undefined ? part : { ...part, text, ref },
      artifacts,
    }));
  }

  #filePart(part: FilePart): Promise<Offloaded<FilePart>> | FilePart {
    const { data, ...rest } = part;
    if (data === undefined || !this.#overflows(data)) return part;
    return this.#put(Buffer.from(data, 'base64'), part.mediaType, part.name ?? null, '').then(
      ({ ref, row }) => ({
        value: { ...rest, ref },
        artifacts: [row],
      }),
    );
  }

  async #put(
    bytes: Uint8Array,
    mediaType: string,
    name: string | null,
    shown: string,
  ): Promise<{ ref: ArtifactRef; row: ArtifactRow }> {
    const digest = await this.#options.files.put(this.#options.project, bytes);
    const size = bytes.byteLength;
    return {
      ref: { artifact: digest, bytes: size, mediaType, preview: shown },
      row: { digest, bytes: size, mediaType, name, at: this.#options.now() },
    };
  }

  async #restored<Each extends TextPart | FilePart>(part: Each): Promise<Each> {
    if (part.ref === undefined) return part;
    const bytes = Buffer.from(await this.#options.files.read(this.#options.project, part.ref.artifact));
    const { ref: _restored, ...rest } = part;
    if (rest.type === 'text') return { ...rest, text: bytes.toString('utf8') } as unknown as Each;
    return { ...rest, data: bytes.toString('base64') } as unknown as Each;
  }
}

function isSaid(part: Part): part is TextPart | FilePart {
  return part.type === 'text' || part.type === 'file';
}

/** The beginning, cut between code points. */
function preview(text: string): string {
  const cut = text.slice(0, PREVIEW_CHARS);
  return cut.isWellFormed() || !text.isWellFormed() ? cut : cut.slice(0, -1);
}
