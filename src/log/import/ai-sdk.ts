// AI SDK: UI messages, as `useChat` keeps them and `onFinish` hands them over to be stored.
//
//   AS1. A call and its result are one part here, told apart by its state. A call without a result is one whose end
//        nobody knows.
//   AS2. What a provider said of a part comes back to it: `providerMetadata` is a part's `metadata`.
import type { JsonObject } from '../../kernel/json.ts';
import type { InputPart, Part } from '../../wire/message.ts';
import {
  type Entry,
  filePart,
  isLoose,
  type Loose,
  type Reading,
  type Remainder,
  type Step,
  textIn,
  timeIn,
  TurnsOf,
} from './foreign.ts';

export function* readAiSdk(entries: Iterable<Entry>, rest: Remainder): Reading {
  const log = new TurnsOf();
  for (const { at: place, value } of entries) {
    yield;
    if (!isLoose(value)) {
      rest.miss(place, value);
      continue;
    }
    const metadata = isLoose(value['metadata']) ? value['metadata'] : {};
    const time = timeIn(value['createdAt'] ?? metadata['createdAt'] ?? metadata['timestamp']);
    const at = time === undefined ? {} : { at: time };
    const parts = partsIn(value, place, rest);
    switch (value['role']) {
      case 'system': {
        const data = { role: 'system', content: parts.map(({ part }) => part['text'] ?? null) };
        log.step({ kind: 'noted', name: 'imported.instructions', data, ...at });
        break;
      }
      case 'user': {
        const said = inputsOf(parts, rest);
        if (said.length > 0) log.asked(said, time);
        break;
      }
      case 'assistant':
        if (parts[0]?.part['type'] !== 'step-start') log.step({ kind: 'asked', ...at });
        for (const { place: here, part } of parts)
          for (const step of stepsOf(part, here, rest)) log.step({ ...step, ...at });
        break;
      default:
        rest.miss(place, value);
    }
  }
  return { turns: log.turns };
}

interface Placed {
  place: string;
  part: Loose;
}

/** Older versions kept a text in `content` and calls in `toolInvocations`. */
function partsIn(message: Loose, place: string, rest: Remainder): Placed[] {
  const { parts, content } = message;
  if (!Array.isArray(parts)) {
    if (typeof content === 'string') return [{ place, part: { type: 'text', text: content } }];
    rest.miss(place, message);
    return [];
  }
  return parts.flatMap((part: unknown, index) => {
    const here = `${place}/parts/${index}`;
    if (isLoose(part)) return [{ place: here, part }];
    rest.miss(here, part);
    return [];
  });
}

function inputsOf(parts: readonly Placed[], rest: Remainder): InputPart[] {
  return parts.flatMap(({ place, part }) => {
    const made = saidOf(part);
    if (made?.type === 'text' || made?.type === 'file') return [made];
    if (textIn(part['type'])?.startsWith('data-')) rest.leave(String(part['type']));
    else rest.miss(place, part);
    return [];
  });
}

/** AS2. */
function metadataOf(given: unknown): { metadata?: JsonObject } {
  return isLoose(given) ? { metadata: given as JsonObject } : {};
}

function saidOf(part: Loose): Part | undefined {
  const text = textIn(part['text']);
  const url = textIn(part['url']);
  const metadata = metadataOf(part['providerMetadata']);
  if (part['type'] === 'text' && text !== undefined) return { type: 'text', text, ...metadata };
  if (part['type'] === 'reasoning' && text !== undefined) return { type: 'reasoning', text, ...metadata };
  if (part['type'] === 'file' && url !== undefined)
    return {
      ...filePart(url, textIn(part['mediaType']) ?? textIn(part['mimeType']), textIn(part['filename'])),
      ...metadata,
    };
  return undefined;
}

function* stepsOf(part: Loose, place: string, rest: Remainder): Generator<Step> {
  const type = textIn(part['type']) ?? '';
  const said = saidOf(part);
  if (said !== undefined) yield { kind: 'said', parts: [said] };
  else if (type === 'step-start') yield { kind: 'asked' };
  else if (type === 'dynamic-tool' || type.startsWith('tool-')) yield* callOf(part, type, place, rest);
  else if (type === 'steering-message' && Array.isArray(part['parts'])) {
    const parts = part['parts'].flatMap((member: unknown) =>
      isLoose(member) ? [{ place, part: member }] : [],
    );
    yield { kind: 'steered', parts: inputsOf(parts, rest) };
  } else if (type.startsWith('data-'))
    yield { kind: 'noted', name: type.slice(0, 64), data: part['data'] ?? null };
  else if (type.startsWith('source-') || type === 'reasoning-file' || type === 'custom') rest.leave(type);
  else rest.miss(place, part);
}

/** AS1. */
function* callOf(part: Loose, type: string, place: string, rest: Remainder): Generator<Step> {
  const call = textIn(part['toolCallId']);
  const name = type === 'dynamic-tool' ? textIn(part['toolName']) : type.slice('tool-'.length);
  if (call === undefined || name === undefined || name === '') {
    rest.miss(place, part);
    return;
  }
  const { state, input, rawInput, output } = part;
  yield { kind: 'called', call, name, input: input ?? rawInput ?? {} };
  if (state === 'output-available') yield { kind: 'returned', call, output: output ?? null, isError: false };
  if (state === 'output-error')
    yield { kind: 'returned', call, output: textIn(part['errorText']) ?? 'error', isError: true };
  if (state === 'output-denied') {
    const approval = isLoose(part['approval']) ? part['approval'] : {};
    const reason = textIn(approval['reason']);
    yield {
      kind: 'returned',
      call,
      output: reason === undefined ? 'denied' : `denied: ${reason}`,
      isError: true,
    };
  }
}
