// OpenAI: chat messages, as they are sent to a chat completions endpoint and kept for fine-tuning.
//
//   OA1. `system` and `developer` messages instruct an agent; the session's own agent has its own. They are noted.
//   OA2. Arguments of a call are JSON text from a model: what does not parse stays the text it is.
import type { InputPart, Part } from '../../wire/message.ts';
import {
  type Entry,
  filePart,
  isLoose,
  type Loose,
  type Reading,
  type Remainder,
  textIn,
  timeIn,
  TurnsOf,
} from './foreign.ts';

export function* readOpenAi(entries: Iterable<Entry>, rest: Remainder): Reading {
  const log = new TurnsOf();
  const names = new Map<string, string>();
  for (const { at: place, value } of entries) {
    yield;
    if (!isLoose(value)) {
      rest.miss(place, value);
      continue;
    }
    const time = timeIn(value['created_at'] ?? value['timestamp'] ?? value['created']);
    const at = time === undefined ? {} : { at: time };
    switch (value['role']) {
      case 'system':
      case 'developer':
        // OA1.
        log.step({
          kind: 'noted',
          name: 'imported.instructions',
          data: { role: value['role'], content: value['content'] ?? null },
          ...at,
        });
        break;
      case 'user': {
        const parts = partsOf(value['content'], place, rest).filter(isInput);
        if (parts.length > 0) log.asked(parts, time);
        else rest.miss(place, value);
        break;
      }
      case 'assistant':
        log.step({ kind: 'asked', ...at });
        for (const step of answerOf(value, place, rest, names)) log.step({ ...step, ...at });
        break;
      case 'tool':
      case 'function': {
        const call = textIn(value['tool_call_id']) ?? names.get(String(value['name']));
        if (call === undefined) rest.miss(place, value);
        else log.step({ kind: 'returned', call, output: outputOf(value['content']), isError: false, ...at });
        break;
      }
      default:
        rest.miss(place, value);
    }
  }
  return { turns: log.turns };
}

type Answer =
  | { kind: 'said'; parts: readonly Part[] }
  | { kind: 'called'; call: string; name: string; input: unknown };

function* answerOf(
  message: Loose,
  place: string,
  rest: Remainder,
  names: Map<string, string>,
): Generator<Answer> {
  const reasoning = textIn(message['reasoning_content']) ?? textIn(message['reasoning']);
  const parts: Part[] =
    reasoning === undefined || reasoning === '' ? [] : [{ type: 'reasoning', text: reasoning }];
  if (message['content'] !== null && message['content'] !== undefined)
    parts.push(...partsOf(message['content'], place, rest));
  const refusal = textIn(message['refusal']);
  if (refusal !== undefined) parts.push({ type: 'text', text: refusal });
  if (parts.length > 0) yield { kind: 'said', parts };
  const calls = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as unknown[]) : [];
  for (const [index, call] of calls.entries()) {
    const asked = isLoose(call) ? (call['function'] ?? call['custom']) : undefined;
    const id = isLoose(call) ? textIn(call['id']) : undefined;
    const name = isLoose(asked) ? textIn(asked['name']) : undefined;
    if (!isLoose(asked) || id === undefined || name === undefined)
      rest.miss(`${place}/tool_calls/${index}`, call);
    else yield { kind: 'called', call: id, name, input: inputOf(asked['arguments'] ?? asked['input']) };
  }
  const old = message['function_call'];
  const oldName = isLoose(old) ? textIn(old['name']) : undefined;
  if (isLoose(old) && oldName !== undefined) {
    const call = `${oldName}-${names.size + 1}`;
    names.set(oldName, call);
    yield { kind: 'called', call, name: oldName, input: inputOf(old['arguments']) };
  }
}

/** OA2. */
export function inputOf(given: unknown): unknown {
  if (typeof given !== 'string') return given ?? {};
  try {
    return JSON.parse(given) as unknown;
  } catch {
    return given;
  }
}

const isInput = (part: Part): part is InputPart => part.type === 'text' || part.type === 'file';

/** A result that is one text is that text. */
function outputOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content ?? '';
  const texts = content.map((part: unknown) =>
    isLoose(part) && part['type'] === 'text' ? textIn(part['text']) : undefined,
  );
  return texts.every((text) => text !== undefined) ? texts.join('') : content;
}

function partsOf(content: unknown, place: string, rest: Remainder): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (!Array.isArray(content)) {
    rest.miss(`${place}/content`, content);
    return [];
  }
  return content.flatMap((given: unknown, index) => {
    const part = isLoose(given) ? partOf(given) : undefined;
    if (part === undefined) rest.miss(`${place}/content/${index}`, given);
    return part ?? [];
  });
}

function partOf(given: Loose): Part | undefined {
  const text = textIn(given['text']) ?? textIn(given['refusal']);
  switch (given['type']) {
    case 'text':
    case 'input_text':
    case 'output_text':
    case 'refusal':
      return text === undefined ? undefined : { type: 'text', text };
    case 'image_url':
    case 'input_image': {
      const image = given['image_url'];
      const url = textIn(isLoose(image) ? image['url'] : image);
      return url === undefined ? undefined : filePart(url, url.startsWith('data:') ? undefined : 'image/*');
    }
    case 'input_audio': {
      const audio = given['input_audio'];
      const data = isLoose(audio) ? textIn(audio['data']) : undefined;
      return isLoose(audio) && data !== undefined
        ? { type: 'file', mediaType: `audio/${textIn(audio['format']) ?? 'wav'}`, data }
        : undefined;
    }
    case 'file': {
      const file = given['file'];
      const data = isLoose(file) ? textIn(file['file_data']) : undefined;
      if (!isLoose(file) || data === undefined) return undefined;
      const name = textIn(file['filename']);
      return data.startsWith('data:')
        ? filePart(data, undefined, name)
        : filePart(`data:application/octet-stream;base64,${data}`, undefined, name);
    }
    default:
      return undefined;
  }
}
