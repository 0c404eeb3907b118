// ModelMessage: how a session's messages read in the AI SDK's words, and back.
//
//   M1. What a provider said comes back to it word for word: its metadata is a part's `metadata`, and a part that has no
//       place among ours travels whole in a `custom` part.
//   M2. Every tool call is followed by its results, whatever the order in the log; a call that never returned is
//       answered as unknown. Providers refuse a history without this.
//   M3. What the SDK knows of a part and ours has no member for stands under `metadata.sojourn`. Of a result that is all but
//       its value, which stands in `output`: so what takes its place there is what the model is shown.
//   M4. A file that a tool returned is a file part behind the result: whoever reads the session sees it, and a large one
//       becomes an artifact of its type. The model gets it back in its place.
//   M5. What a provider ran itself and gave comes back to it as it was or not at all: where something stands for it, both
//       the call and this are told as words.
import { Buffer } from 'node:buffer';
import type { AssistantContent, FilePart as ModelFilePart, ModelMessage, ToolContent, UserContent } from 'ai';
import type { JsonObject } from '../../kernel/json.ts';
import type { ArtifactRef, FilePart, Input, Message, Part, ToolResultPart } from '../../wire/message.ts';

type Content<Type> = Type extends readonly (infer Each)[] ? Each : never;
type AssistantPart = Content<AssistantContent>;
type UserPart = Content<UserContent>;
type ToolPart = ToolContent[number];
type ModelToolResult = Extract<ToolPart, { type: 'tool-result' }>;
type ToolOutput = ModelToolResult['output'];
type ContentItem = Extract<ToolOutput, { type: 'content' }>['value'][number];
type ProviderOptions = NonNullable<ModelFilePart['providerOptions']>;

/** Prefix of the names of custom parts that hold a part of the SDK. */
const KEPT = 'ai-sdk.';
/** Stands for a file in the output it was taken from, with its number. */
const PLACE = 'sojourn';
const UNKNOWN = 'It is not known what this call did: it was interrupted before it returned.';

/** What was said before a turn, and the turn's own inputs. */
export function toModelMessages(history: readonly Message[], inputs: readonly Input[]): ModelMessage[] {
  const messages: ModelMessage[] = [];
  const answered = new Answered(history);
  for (const [at, { role, parts }] of history.entries()) {
    if (role === 'assistant') messages.push(...answered.exchange(parts, at));
    else if (role !== 'tool') pushUser(messages, parts); // tool messages follow their calls (M2)
  }
  for (const { parts } of inputs) pushUser(messages, parts);
  return messages;
}

export function toUserMessage(parts: readonly Part[]): Extract<ModelMessage, { role: 'user' }> {
  return { role: 'user', content: parts.flatMap(userPart) };
}

/** Also for what the SDK says of a step: the parts of one assistant or tool message. */
export function toParts(message: ModelMessage): Part[] {
  if (typeof message.content === 'string') return [{ type: 'text', text: message.content }];
  return message.content.flatMap((part) =>
    part.type === 'tool-result' ? resultParts(part) : [partOf(part)],
  );
}

function pushUser(messages: ModelMessage[], parts: readonly Part[]): void {
  const message = toUserMessage(parts);
  if (message.content.length > 0) messages.push(message);
}

/** Whatever answers a tool call, found by call (M2). */
class Answered {
  /** Providers may use an id again: what answers a call is the first result at or behind its message. */
  readonly #results = new Map<string, { at: number; result: ToolResultPart; files: readonly FilePart[] }[]>();
  readonly #responses = new Map<string, ToolPart>();

  constructor(history: readonly Message[]) {
    for (const [at, { parts }] of history.entries()) {
      for (const part of parts) {
        if (part.type === 'tool-result') {
          const same = this.#results.get(part.call) ?? [];
          const files = parts.filter((file) => isFileOf(file, part.call));
          this.#results.set(part.call, [...same, { at, result: part, files }]);
        }
        const kept = keptPart(part);
        if (kept?.type === 'tool-approval-response') this.#responses.set(kept.approvalId, kept);
      }
    }
  }

  /** The assistant message at a place of the history, and the tool message that belongs to it. */
  exchange(parts: readonly Part[], at: number): ModelMessage[] {
    const told = toldCalls(parts);
    const own = new Set(parts.flatMap((part) => (isProviderExecuted(part) ? [part.call] : [])));
    const content: AssistantPart[] = [];
    const responses: ToolPart[] = [];
    const results: ToolPart[] = [];
    for (const part of parts) {
      if (part.type === 'tool-result' && !own.has(part.call)) continue; // stands below
      if (part.type === 'tool-call' || part.type === 'tool-result') {
        const words = told.get(part.call);
        if (words !== undefined && part.type === 'tool-result') content.push({ type: 'text', text: words });
        if (words !== undefined) continue;
      }
      if (part.type === 'file' && callOf(part) !== undefined) continue; // stands in its result (M4)
      if (part.type === 'tool-result')
        content.push(
          toolResult(
            part,
            parts.filter((file) => isFileOf(file, part.call)),
          ),
        );
      else content.push(...assistantPart(part));
      const kept = keptPart(part);
      if (kept?.type === 'tool-approval-request') responses.push(...this.#response(kept.approvalId));
      if (part.type !== 'tool-call' || own.has(part.call)) continue;
      const answer = this.#results.get(part.call)?.find((candidate) => candidate.at >= at);
      results.push(answer ? toolResult(answer.result, answer.files) : unknownResult(part.call, part.name));
    }
    const said: ModelMessage[] = content.length > 0 ? [{ role: 'assistant', content }] : [];
    const answers = [...responses, ...results];
    return answers.length > 0 ? [...said, { role: 'tool', content: answers }] : said;
  }

  #response(approval: string): ToolPart[] {
    const response = this.#responses.get(approval);
    return response === undefined ? [] : [response];
  }
}

/** M5. */
function toldCalls(parts: readonly Part[]): Map<string, string> {
  const told = new Map<string, string>();
  for (const call of parts) {
    if (!isProviderExecuted(call)) continue;
    const result = parts.find((part) => part.type === 'tool-result' && part.call === call.call);
    if (result?.type !== 'tool-result' || !isStoodFor(result)) continue;
    const { output, ref } = result;
    const words = typeof output === 'string' ? output : ref === undefined ? '' : briefly(ref);
    told.set(call.call, `[${call.name} ${JSON.stringify(call.input)}]\n${words}`);
  }
  return told;
}

/** A reference or a digest takes its place: providers give data. */
function isStoodFor({ output, ref }: ToolResultPart): boolean {
  return ref !== undefined || typeof output === 'string';
}

/** The call that a file is a part of the result of. */
function callOf(part: FilePart): unknown {
  return known(part.metadata)['call'];
}

const isFileOf = (part: Part, call: string): part is FilePart =>
  part.type === 'file' && callOf(part) === call;

function isProviderExecuted(part: Part): part is Extract<Part, { type: 'tool-call' }> {
  return part.type === 'tool-call' && known(part.metadata)['providerExecuted'] === true;
}

function userPart(part: Part): UserPart[] {
  if (part.type === 'text')
    return part.text === '' ? [] : [{ type: 'text', text: part.text, ...optionsOf(part) }];
  if (part.type === 'file') return [filePart(part)];
  return []; // a person says nothing else
}

function assistantPart(part: Part): AssistantPart[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text, ...optionsOf(part) }];
    case 'reasoning':
      return [{ type: 'reasoning', text: part.text, ...optionsOf(part) }];
    case 'file': {
      const file = filePart(part);
      return [file];
    }
    case 'tool-call': {
      const executed = isProviderExecuted(part) ? { providerExecuted: true } : {};
      const { call, name, input } = part;
      return [
        { type: 'tool-call', toolCallId: call, toolName: name, input, ...executed, ...optionsOf(part) },
      ];
    }
    case 'tool-result':
      return [toolResult(part, [])];
    case 'custom': {
      const kept = keptPart(part);
      return kept === undefined || kept.type === 'tool-approval-response' ? [] : [kept];
    }
  }
}

function filePart(part: FilePart): ModelFilePart | { type: 'text'; text: string } {
  const name = part.name === undefined ? {} : { filename: part.name };
  const common = { type: 'file', mediaType: part.mediaType, ...name, ...optionsOf(part) } as const;
  if (part.data !== undefined) return { ...common, data: { type: 'data', data: part.data } };
  if (part.url !== undefined) return { ...common, data: { type: 'url', url: new URL(part.url) } };
  return { type: 'text', text: `[A file that is not at hand: ${part.name ?? part.mediaType}]` };
}

function toolResult(part: ToolResultPart, files: readonly FilePart[]): ModelToolResult {
  const { call, name } = part;
  const output = withFiles(outputOf(part), files);
  return { type: 'tool-result', toolCallId: call, toolName: name, output, ...optionsOf(part) };
}

function unknownResult(call: string, name: string): ModelToolResult {
  const output = { type: 'error-text', value: UNKNOWN } as const;
  return { type: 'tool-result', toolCallId: call, toolName: name, output };
}

/** M3. Of a reference what stands beside it, and where nothing does how it begins. */
function outputOf({ output: given, ref, isError, metadata }: ToolResultPart): ToolOutput {
  const output = given ?? (ref === undefined ? given : briefly(ref));
  const kept: unknown = known(metadata)['output'];
  if (isToolOutput(kept) && (kept.type !== 'content' || Array.isArray(output))) {
    return kept.type === 'execution-denied' ? kept : ({ ...kept, value: output } as ToolOutput);
  }
  const text = typeof output === 'string';
  if (isError)
    return text ? { type: 'error-text', value: output } : { type: 'error-json', value: json(output) };
  return text ? { type: 'text', value: output } : { type: 'json', value: json(output) };
}

const briefly = (ref: ArtifactRef): string =>
  `${ref.preview}\n[${ref.bytes} bytes of ${ref.mediaType} in all, kept as artifact ${ref.artifact}]`;

/** M4. Where the output itself has become a reference, what was shown stands behind it. */
function withFiles(output: ToolOutput, files: readonly FilePart[]): ToolOutput {
  if (output.type === 'content') {
    return { ...output, value: output.value.map((item) => filled(item, files)) };
  }
  if (output.type !== 'text' || files.length === 0) return output;
  return { type: 'content', value: [{ type: 'text', text: output.value }, ...files.map(contentFile)] };
}

function filled(item: ContentItem, files: readonly FilePart[]): ContentItem {
  const place =
    item.type === 'file' && item.data.type === 'reference' ? item.data.reference[PLACE] : undefined;
  if (place === undefined) return item;
  const file = files[Number(place)];
  return file === undefined ? { type: 'text', text: '[A file that is not at hand]' } : contentFile(file);
}

function contentFile(file: FilePart): ContentItem {
  const { mediaType, name, data, url } = file;
  const common = {
    type: 'file',
    mediaType,
    ...(name === undefined ? {} : { filename: name }),
    ...optionsOf(file),
  } as const;
  if (data !== undefined) return { ...common, data: { type: 'data', data } };
  if (url !== undefined) return { ...common, data: { type: 'url', url: new URL(url) } };
  return { type: 'text', text: `[A file that is not at hand: ${name ?? mediaType}]` };
}

function partOf(part: AssistantPart | UserPart | ToolPart): Part {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...metadataOf(part) };
    case 'reasoning':
      return { type: 'reasoning', text: part.text, ...metadataOf(part) };
    case 'file':
      return fileOf(part) ?? keep(part);
    case 'tool-call': {
      const executed: JsonObject = part.providerExecuted === true ? { providerExecuted: true } : {};
      const { toolCallId: call, toolName: name, input } = part;
      return { type: 'tool-call', call, name, input, ...metadataOf(part, executed) };
    }
    case 'tool-result':
      return resultOf(part);
    default:
      return keep(part);
  }
}

/** Undefined for a file our parts have no word for. */
function fileOf(part: ModelFilePart, own: JsonObject = {}): Part | undefined {
  const { data, mediaType } = part;
  const name = part.filename === undefined ? {} : { name: part.filename };
  const common = { type: 'file', mediaType, ...name, ...metadataOf(part, own) } as const;
  if (typeof data === 'string') return { ...common, data };
  if (data instanceof URL) return { ...common, url: data.href };
  if (data instanceof Uint8Array) return { ...common, data: Buffer.from(data).toString('base64') };
  if (data instanceof ArrayBuffer) return { ...common, data: Buffer.from(data).toString('base64') };
  if (data.type === 'data' && typeof data.data === 'string') return { ...common, data: data.data };
  if (data.type === 'url' && data.url instanceof URL) return { ...common, url: data.url.href };
  return undefined;
}

/** M4. The files stand behind the result, and their places in it are kept. */
function resultParts(part: ModelToolResult): Part[] {
  const { output } = part;
  if (output.type !== 'content') return [resultOf(part)];
  const files: Part[] = [];
  const value = output.value.map((item): ContentItem => {
    if (item.type !== 'file') return item;
    const file = fileOf(item, { call: part.toolCallId });
    if (file === undefined) return item;
    files.push(file);
    return { ...item, data: { type: 'reference', reference: { [PLACE]: String(files.length - 1) } } };
  });
  return [resultOf({ ...part, output: { type: 'content', value } }), ...files];
}

function resultOf(part: ModelToolResult): ToolResultPart {
  const { toolCallId: call, toolName: name, output } = part;
  const isError =
    output.type === 'error-text' || output.type === 'error-json' || output.type === 'execution-denied';
  const value = output.type === 'execution-denied' ? (output.reason ?? 'It was denied.') : output.value;
  const plain = { type: 'tool-result', call, name, output: value, isError } as const;
  const same = JSON.stringify(outputOf(plain)) === JSON.stringify(output);
  const { value: _stands, ...rest } = { value: undefined, ...output };
  return { ...plain, ...metadataOf(part, same ? undefined : { output: json(rest) as JsonObject }) };
}

/** The result with something in the place of what it was, which is no output of the SDK's any more. */
export function resultWith(part: ToolResultPart, output: unknown): ToolResultPart {
  const { metadata, ref: _left, ...rest } = part;
  const { output: _gone, ...own } = known(metadata);
  const { sojourn: _own, ...options } = metadata ?? {};
  const kept: JsonObject = Object.keys(own).length > 0 ? { ...options, sojourn: own } : options;
  return { ...rest, output, ...(Object.keys(kept).length > 0 ? { metadata: kept } : {}) };
}

/** M1. */
const keep = (part: AssistantPart | UserPart | ToolPart): Part => ({
  type: 'custom',
  name: `${KEPT}${part.type}`,
  data: part,
});

function keptPart(part: Part): Exclude<AssistantPart | ToolPart, { type: 'text' }> | undefined {
  if (part.type !== 'custom' || !part.name.startsWith(KEPT)) return undefined;
  return part.data as Exclude<AssistantPart | ToolPart, { type: 'text' }>; // only `keep` makes these names
}

function metadataOf(
  part: { providerOptions?: ProviderOptions },
  own: JsonObject = {},
): { metadata?: JsonObject } {
  const options: JsonObject =
    part.providerOptions === undefined ? {} : (json(part.providerOptions) as JsonObject);
  const metadata = Object.keys(own).length > 0 ? { ...options, sojourn: own } : options;
  return Object.keys(metadata).length > 0 ? { metadata } : {};
}

function optionsOf(part: { metadata?: JsonObject }): { providerOptions?: ProviderOptions } {
  const { sojourn: _own, ...options } = part.metadata ?? {};
  return Object.keys(options).length > 0 ? { providerOptions: options as ProviderOptions } : {};
}

/** M3. */
function known(metadata: JsonObject | undefined): JsonObject {
  const own = metadata?.['sojourn'];
  return typeof own === 'object' && own !== null && !Array.isArray(own) ? (own as JsonObject) : {};
}

const isToolOutput = (value: unknown): value is ToolOutput =>
  typeof value === 'object' && value !== null && 'type' in value;

type ModelJson = Extract<ToolOutput, { type: 'json' }>['value'];

/** The value as JSON would carry it: without undefined, dates as text. */
const json = (value: unknown): ModelJson => JSON.parse(JSON.stringify(value) ?? 'null') as ModelJson;
