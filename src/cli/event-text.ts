// Event text: an event of a log as a person reads it, on one line.
import type { Compacted, Offloaded } from '../wire/context.ts';
import type { Event } from '../wire/event.ts';
import { textOf } from '../wire/message.ts';
import type { Receipt } from '../wire/turn.ts';
import { counted, figure, sizeText } from './figure.ts';
import { brief } from './screen.ts';

const TEXT_MAX = 200;

export function eventLine(event: Event): string {
  const at = event.at.slice(11, 19);
  return `${String(event.seq).padStart(5)}  ${at}  ${event.kind.padEnd(17)}  ${eventSummary(event)}`.trimEnd();
}

export function eventSummary(event: Event): string {
  switch (event.kind) {
    case 'turn.accepted':
      return brief(`[${event.body.disposition}] ${textOf(event.body.input.parts)}`, TEXT_MAX);
    case 'turn.started':
      return `attempt ${event.body.attempt}`;
    case 'turn.ended': {
      const { outcome, error, costUsd } = event.body;
      return `${outcome}${error ? `: ${brief(error.message, TEXT_MAX)}` : ''}${costUsd ? ` $${costUsd}` : ''}`;
    }
    case 'text.delta':
    case 'reasoning.delta':
      return brief(event.body.text, TEXT_MAX);
    case 'message':
      return brief(`${event.body.role}: ${textOf(event.body.parts)}`, TEXT_MAX);
    case 'tool.called':
      return brief(`${event.body.name} ${jsonText(event.body.input)}`, TEXT_MAX);
    case 'tool.returned':
      return returned(event.body);
    case 'tool.progress':
      return brief(`${event.body.percent ?? ''} ${event.body.message ?? ''}`, TEXT_MAX);
    case 'request.opened':
      return brief(`${event.body.kind} ${event.body.request}: ${event.body.text}`, TEXT_MAX);
    case 'request.closed':
      return brief(decisionText(event.body), TEXT_MAX);
    case 'child.started':
      return brief(`${event.body.agent} ${event.body.key}`, TEXT_MAX);
    case 'child.progress':
      return brief(event.body.summary ?? event.body.message ?? event.body.kind, TEXT_MAX);
    case 'child.ended':
      return brief(`${event.body.outcome} ${event.body.text}`, TEXT_MAX);
    case 'context.offloaded':
      return brief(offloadedText(event.body), TEXT_MAX);
    case 'context.compacted':
      return brief(compactedText(event.body), TEXT_MAX);
    default:
      return brief(jsonText(event.body), TEXT_MAX);
  }
}

function returned(body: Extract<Event, { kind: 'tool.returned' }>['body']): string {
  if (body.unknown) return 'unknown: it ended before the result';
  const text = body.artifact !== undefined ? `${body.bytes} bytes: ${body.preview}` : jsonText(body.output);
  return brief(`${body.isError ? 'error ' : ''}${text}`, TEXT_MAX);
}

/** What left, what that saved, and how to get it back. */
function offloadedText({ from, bytes, tokens, shownTokens, ref }: Offloaded): string {
  return `${sizeText(bytes)} of ${from} moved out, ${figure(tokens - shownTokens)} tokens saved: read ${ref}`;
}

function compactedText({ by, instead, pressure, digests, tokensBefore, tokensAfter }: Compacted): string {
  const calls = digests.reduce((count, digest) => count + (digest.calls?.length ?? 0), 0);
  const turns = digests.reduce(
    (count, { kind, turns: all }) => count + (kind === 'turns' ? all.length : 0),
    0,
  );
  const what = [
    ...(calls > 0 ? [counted(calls, 'call')] : []),
    ...(turns > 0 ? [counted(turns, 'turn')] : []),
  ].join(' and ');
  const refs = digests.map(({ ref }) => ref).join(' ');
  const why = instead === undefined ? '' : `, since ${instead}`;
  const saved = figure(tokensBefore - tokensAfter);
  return `${what} digested by ${by}${why} (${pressure}), ${saved} tokens saved: read ${refs}`;
}

/** How a question or an approval ended. */
export function decisionText({ decision, answer }: { decision: string; answer?: string }): string {
  if (decision === 'allow') return answer === undefined ? 'allowed' : `answered: ${answer}`;
  if (decision === 'deny') return answer === undefined ? 'denied' : `denied: ${answer}`;
  return decision;
}

/** What was done with a message. */
export function receiptText(receipt: Receipt): string {
  const position = receipt.position === undefined ? '' : `, position ${receipt.position}`;
  const stopped = receipt.stopped === undefined ? '' : `, stops turn ${receipt.stopped}`;
  return `${receipt.disposition}${position}${stopped}`;
}

/** `undefined` has no JSON text. */
export function jsonText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
