// Kept: what goes into a tool and comes out of it as the log keeps it: without our own secrets. The agent has the real ones.
import { jsonText } from '../context/json-text.ts';
import { masked, maskedText } from '../kernel/secret.ts';
import type { Part } from '../wire/message.ts';

/** With its JSON, which is made once however large it is. */
export async function keptOf(given: unknown): Promise<{ whole: unknown; json?: string }> {
  if (typeof given === 'string') return { whole: maskedText(given) };
  const text = await jsonText(given);
  const json = maskedText(text);
  return { whole: json === text ? given : JSON.parse(json), json };
}

/** Of a message that the agent gives whole. */
export function keptPart(part: Part): Part {
  return part.type === 'tool-call' || part.type === 'tool-result' ? masked(part) : part;
}
