// Restoring: what was said and moved out, as it was said; for an agent, which needs it word for word.
//
//   RE1. What a person or the agent said is restored whole; of a tool's result is shown the beginning, the end and how to
//        read the rest, and of what a tool was given the short form that stands in the log.
//   RE2. Nothing is restored but what this session's log refers to.
//   RE3. The same message is restored once, as long as it is small.
import { Buffer } from 'node:buffer';
import { SojournError } from '../kernel/errors.ts';
import type {
  ArtifactRef,
  CustomPart,
  FilePart,
  Input,
  Message,
  Part,
  ReasoningPart,
  TextPart,
} from '../wire/message.ts';
import type { ArtifactGuard } from './artifact-guard.ts';
import { excerptText, shownOf } from './excerpt.ts';

/** Restored messages of more bytes are read again each time instead of being remembered. */
const REMEMBERED_BYTES_MAX = 1_048_576;

export interface RestoringOptions {
  files: Pick<ArtifactGuard, 'read'>;
  project: string;
  /** Whether this session's log refers to it. */
  refers(digest: string): Promise<boolean>;
}

type SaidPart = TextPart | FilePart | ReasoningPart | CustomPart;

export class Restoring {
  readonly #options: RestoringOptions;
  /** RE3. */
  #restored: WeakMap<Message, Message> | undefined;

  constructor(options: RestoringOptions) {
    this.#options = options;
  }

  /** RE1. Throws what reading throws. */
  async input(input: Input): Promise<Input> {
    if (input.parts.every((part) => part.ref === undefined)) return input;
    return { ...input, parts: await Promise.all(input.parts.map((part) => this.#whole(part))) };
  }

  /** RE1. What cannot be read any more is shown in short, and says so. */
  async messages(messages: readonly Message[]): Promise<readonly Message[]> {
    return Promise.all(
      messages.map(async (message) => {
        const isWhole = message.parts.every((part) => !('ref' in part) || part.ref === undefined);
        return isWhole ? message : (this.#restored?.get(message) ?? this.#restore(message));
      }),
    );
  }

  async #restore(message: Message): Promise<Message> {
    let bytes = 0;
    let isWhole = true;
    const parts = message.parts.map(async (part): Promise<Part> => {
      if (part.ref === undefined || part.type === 'tool-call') return part;
      if (part.type === 'tool-result') return { ...part, output: shownOf(part.ref) };
      bytes += part.ref.bytes;
      try {
        return await this.#whole(part);
      } catch (error) {
        if (!(error instanceof SojournError)) throw error;
        isWhole = false;
        return unread(part, part.ref, error);
      }
    });
    const restored = { ...message, parts: await Promise.all(parts) };
    if (isWhole && bytes <= REMEMBERED_BYTES_MAX) {
      this.#restored ??= new WeakMap();
      this.#restored.set(message, restored);
    }
    return restored;
  }

  async #whole<Each extends SaidPart>(part: Each): Promise<Each> {
    if (part.ref === undefined) return part;
    if (!(await this.#options.refers(part.ref.artifact))) throw notOurs(part.ref); // RE2
    const bytes = Buffer.from(await this.#options.files.read(this.#options.project, part.ref.artifact));
    const { ref: _restored, ...rest } = part;
    if (rest.type === 'file') return { ...rest, data: bytes.toString('base64') } as unknown as Each;
    const text = bytes.toString('utf8');
    if (rest.type === 'custom') return { ...rest, data: JSON.parse(text) as unknown } as unknown as Each;
    return { ...rest, text } as unknown as Each;
  }
}

export function notOurs({ artifact }: ArtifactRef): SojournError {
  return new SojournError(
    'artifact.not_found',
    `This session has no artifact ${String(artifact).slice(0, 64)}`,
  );
}

/** Of what is not there any more, or cannot be read. */
function unread(part: SaidPart, ref: ArtifactRef, { code }: SojournError): TextPart {
  const name = part.type === 'file' ? `[${part.name ?? part.mediaType}]\n` : '';
  return { type: 'text', text: `${name}${excerptText(ref, `could not be read: ${code}`)}` };
}
