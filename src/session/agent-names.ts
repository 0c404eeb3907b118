// Agent names: what an agent calls its messages, its tools and their calls. They are told in many events, so each is short.
import { Buffer } from 'node:buffer';
import { SojournError } from '../kernel/errors.ts';
import type { Part } from '../wire/message.ts';

const NAME_BYTES_MAX = 500;

/** Throws `agent.failed`, which names the beginning of it. */
export function checkName(of: 'message' | 'call' | 'tool' | 'custom' | 'file', name: unknown): void {
  if (typeof name !== 'string') return;
  const bytes = Buffer.byteLength(name);
  if (bytes <= NAME_BYTES_MAX) return;
  const detail = `The agent's name of a ${of} has ${bytes} bytes, ${NAME_BYTES_MAX} are allowed: ${name.slice(0, 64)}…`;
  throw new SojournError('agent.failed', detail);
}

/** Of a message that the agent gives whole. */
export function checkNames({ message, parts }: { message?: string; parts: readonly Part[] }): void {
  checkName('message', message);
  for (const part of parts) {
    if (part.type === 'tool-call' || part.type === 'tool-result') {
      checkName('call', part.call);
      checkName('tool', part.name);
    } else if (part.type === 'custom') checkName('custom', part.name);
    else if (part.type === 'file') {
      checkName('file', part.name);
      checkName('file', part.mediaType);
    }
  }
}
