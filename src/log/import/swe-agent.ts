// SWE-agent: a trajectory, one object with its steps and, where it was kept, the history that the model saw.
//
//   SW1. Steps are what happened. The history says what was asked in the first place, by which call a step was taken, and
//        how what was observed was shown to the model; where the two do not match, the steps count.
//   SW2. An action without a call of its own is a call of `bash`: that is where it was run.
import type { InputPart } from '../../wire/message.ts';
import {
  countIn,
  isLoose,
  type Loose,
  type Reading,
  type Remainder,
  textIn,
  timeIn,
  TurnsOf,
} from './foreign.ts';
import { inputOf } from './openai.ts';

interface Shown {
  call?: { id: string; name: string; input: unknown };
  observation?: string;
  text: string;
}

export function* readSweAgent(document: Loose, rest: Remainder): Reading {
  const trajectory = Array.isArray(document['trajectory']) ? (document['trajectory'] as unknown[]) : [];
  const history = Array.isArray(document['history']) ? (document['history'] as unknown[]) : [];
  const log = new TurnsOf();
  const shown = readHistory(history, log, rest);
  for (const [index, value] of trajectory.entries()) {
    const place = `/trajectory/${index}`;
    yield;
    if (!isLoose(value)) {
      rest.miss(place, value);
      continue;
    }
    // Steps and answers of the history match one by one, or not at all (SW1).
    const seen = shown.length === trajectory.length ? shown[index] : undefined;
    takeStep(log, value, index, seen);
    const others = Object.keys(value).filter((name) => !KNOWN.has(name));
    for (const name of others) rest.leave(`step.${name}`);
  }
  end(log, document, rest);
  return { turns: log.turns };
}

const KNOWN = new Set([
  'action',
  'observation',
  'response',
  'thought',
  'state',
  'execution_time',
  'messages',
  'query',
]);

/** What was asked goes into the log; what the model said and was shown is answered, one for each of its answers. */
function readHistory(history: readonly unknown[], log: TurnsOf, rest: Remainder): Shown[] {
  const shown: Shown[] = [];
  for (const [index, value] of history.entries()) {
    if (!isLoose(value)) {
      rest.miss(`/history/${index}`, value);
      continue;
    }
    const text = textOf(value['content']);
    const last = shown.at(-1);
    if (value['role'] === 'assistant')
      shown.push({ text: textIn(value['thought']) ?? text, ...callOf(value) });
    else if (value['role'] === 'system')
      log.step({ kind: 'noted', name: 'imported.instructions', data: { role: 'system', content: text } });
    else if (value['is_demo'] === true || value['isDemo'] === true) rest.leave('demonstration');
    else if (last !== undefined) last.observation ??= text;
    else log.asked([{ type: 'text', text }] satisfies InputPart[]);
  }
  return shown;
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: unknown) => (isLoose(part) ? (textIn(part['text']) ?? '') : '')).join('');
}

function callOf(message: Loose): { call?: NonNullable<Shown['call']> } {
  const [call] = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as unknown[]) : [];
  const asked = isLoose(call) ? call['function'] : undefined;
  if (!isLoose(call) || !isLoose(asked)) return {};
  const [id, name] = [textIn(call['id']), textIn(asked['name'])];
  return id === undefined || name === undefined
    ? {}
    : { call: { id, name, input: inputOf(asked['arguments']) } };
}

function takeStep(log: TurnsOf, step: Loose, index: number, seen: Shown | undefined): void {
  const time = timeIn(step['timestamp']);
  const at = time === undefined ? {} : { at: time };
  const action = textIn(step['action']) ?? '';
  const thought = textIn(step['thought']) ?? textIn(step['response']) ?? seen?.text ?? '';
  log.step({ kind: 'asked', ...at });
  if (thought.trim() !== '') log.step({ kind: 'said', parts: [{ type: 'text', text: thought }], ...at });
  const observed = textIn(step['observation']);
  if (action.trim() === '' && seen?.call === undefined) {
    // The model's answer could not be used: what it was told about that is what it heard next.
    if (observed !== undefined && observed !== '')
      log.step({ kind: 'steered', parts: [{ type: 'text', text: observed }], ...at });
    return;
  }
  const { id, name, input } = seen?.call ?? {
    id: `step-${index + 1}`,
    name: 'bash',
    input: { command: action },
  }; // SW2
  log.step({ kind: 'called', call: id, name, input, ...at });
  const output = isShownIn(seen?.observation, observed ?? '') ? seen?.observation : observed;
  if (output !== undefined) log.step({ kind: 'returned', call: id, output, isError: false, ...at });
}

const BEGINNING_CHARS = 200;

/** The history has the observation with what the shell's prompt added to it. It is looked for at one place only. */
function isShownIn(shown: string | undefined, observed: string): boolean {
  const at = shown?.indexOf(observed.slice(0, BEGINNING_CHARS)) ?? -1;
  return at >= 0 && shown?.startsWith(observed, at) === true;
}

function end(log: TurnsOf, document: Loose, rest: Remainder): void {
  const info = isLoose(document['info']) ? document['info'] : {};
  const status = textIn(info['exit_status']) ?? '';
  const stats = isLoose(info['model_stats']) ? info['model_stats'] : {};
  const usage = {
    inputTokens: countIn(stats['tokens_sent']),
    outputTokens: countIn(stats['tokens_received']),
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
  };
  const costUsd = countIn(stats['instance_cost']);
  if (usage.inputTokens + usage.outputTokens + costUsd > 0) log.step({ kind: 'usage', usage, costUsd });
  const submission = textIn(info['submission']);
  if (submission !== undefined && submission !== '')
    log.step({ kind: 'noted', name: 'swe-agent.submission', data: { status, submission } });
  if (log.turns.length > 0 && status !== '' && !status.startsWith('submitted')) log.end('failed');
  for (const name of Object.keys(document))
    if (!['trajectory', 'history', 'info'].includes(name)) rest.leave(name);
  for (const name of Object.keys(info))
    if (!['exit_status', 'model_stats', 'submission'].includes(name)) rest.leave(`info.${name}`);
}
