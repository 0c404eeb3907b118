// Stand-in: what goes into a log in the place of an agent's event that no event can hold.
//
//   SI1. It says that something was left out, and how large it was: nothing is left out silently.
//   SI2. Calls and results keep what pairs them: only what they carry is left out.
//   SI3. However large the event was, what stands in for it is small, as long as its names are.
import { shortInput } from '../context/digest.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Draft } from '../log/session-log.ts';
import type { Part, Role } from '../wire/message.ts';
import { cut } from './hand-off.ts';

/** Of each text of a message, and of all its parts. */
const TEXT_CHARS = 1_000;
const PARTS_CHARS_MAX = 65_536;
const NAME_CHARS = 200;

export function standIn(draft: Draft): Draft {
  const note = noteOf(JSON.stringify(draft.body).length);
  switch (draft.kind) {
    case 'message': {
      const { role, parts } = draft.body;
      return { ...draft, body: { ...draft.body, parts: partsOf(role, parts, note) } };
    }
    case 'tool.called':
      return { ...draft, body: { ...draft.body, input: shortInput(draft.body.input) } };
    case 'tool.returned': {
      const { call, isError } = draft.body;
      return { ...draft, body: { call, isError, output: note } };
    }
    case 'tool.progress': {
      const { call, message = '', data } = draft.body;
      const said = `${cut(message, TEXT_CHARS)} ${note}`.trim();
      return { ...draft, body: { call, message: said, data: shortInput(data ?? null) } };
    }
    case 'usage':
      return { ...draft, body: { ...draft.body, model: cut(draft.body.model, NAME_CHARS) } };
    case 'custom':
      return { ...draft, body: { name: cut(draft.body.name, NAME_CHARS), data: note } };
    default:
      return draft;
  }
}

export function isTooLarge(error: unknown): boolean {
  return error instanceof SojournError && error.code === 'log.event_too_large';
}

/** SI1. */
function noteOf(chars: number): string {
  return `[${chars.toLocaleString('en-US')} characters were left out: log.event_too_large]`;
}

/** SI3. What a tool says has no place for a note of its own: it is in its results. */
function partsOf(role: Role, parts: readonly Part[], note: string): Part[] {
  const kept: Part[] = [];
  let left = PARTS_CHARS_MAX;
  for (const part of parts) {
    const short = shortened(part, note);
    if (short === undefined) continue;
    left -= JSON.stringify(short).length;
    if (left < 0) break;
    kept.push(short);
  }
  if (role !== 'tool' || kept.length === 0) kept.push({ type: 'text', text: note });
  return kept;
}

/** SI2. Undefined for what is of no use in part. */
function shortened(part: Part, note: string): Part | undefined {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: cut(part.text, TEXT_CHARS) };
    case 'tool-call': {
      const { type, call, name, input } = part;
      return { type, call, name, input: shortInput(input) };
    }
    case 'tool-result': {
      const { type, call, name, isError } = part;
      return { type, call, name, isError, output: note };
    }
    default:
      return undefined;
  }
}
