// Message: what a caller sends, on its way to a session: it gets its id and its defaults, and what is large is moved out.
import type { SessionHost } from '../session/host.ts';
import type { Message } from '../session/intake.ts';
import type { Session } from '../session/session.ts';
import type { TurnCall } from '../wire/calls.ts';
import type { InputPart } from '../wire/message.ts';

export async function prepareMessage(
  host: SessionHost,
  session: Session,
  call: TurnCall,
  from: { author: string | null; once?: NonNullable<Message['once']> },
): Promise<Message> {
  const { ids, clock, limits } = host;
  const parts: readonly InputPart[] =
    typeof call.input === 'string' ? [{ type: 'text', text: call.input }] : call.input;
  const id = ids.id();
  const { value, artifacts, offloaded } = await session.core.overflow.input(parts);
  const named: Message['named'] = {};
  if (call.deadlineMs !== undefined) named.deadlineMs = call.deadlineMs;
  if (call.budget !== undefined) named.budget = call.budget;
  return {
    input: { id, parts: value },
    whole: { id, parts },
    artifacts,
    offloaded,
    policy: call.policy ?? 'queue',
    kind: call.kind ?? 'user',
    author: from.author,
    channel: call.channel ?? null,
    metadata: call.metadata ?? {},
    budget: call.budget ?? {},
    deadlineMs: call.deadlineMs ?? limits.turnMs,
    canAsk: call.canAsk ?? true,
    acceptedAt: clock.now(),
    parent: null,
    named,
    ...(from.once === undefined ? {} : { once: from.once }),
  };
}
