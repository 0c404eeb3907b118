// Reading streams of events in tests.
import type { Served, Wire } from './http-support.ts';

export const EVENTS = '/v1/sessions/a/events';
export const SSE = { Accept: 'text/event-stream' };

export interface Frame {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

export function framesOf(text: string): Frame[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => ({
      id: /^id: (.*)$/m.exec(block)?.[1],
      event: /^event: (.*)$/m.exec(block)?.[1],
      data: /^data: ([^\n]*)$/m.exec(block)?.[1] ?? '',
    }));
}

export const seqsOf = (text: string): number[] => framesOf(text).map(({ id }) => Number(id));

/** One more finished turn. With three words the first makes 8 events, each after it 7. */
export async function withTurn({ call }: Served): Promise<void> {
  await call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' }, headers: { Prefer: 'wait=30' } });
}

/** A turn that goes on until the call that is answered. */
export async function withHeldTurn(served: Served): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  served.speech.until = promise;
  await served.call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' } });
  return resolve;
}

/** Resolves when no reader follows any log. */
export async function noTails({ runtime }: Served): Promise<void> {
  while (runtime.stats().tails > 0) await new Promise((resolve) => setImmediate(resolve));
}

export async function follow({ wire, head }: Served, path = EVENTS, headers = ''): Promise<Wire> {
  const reader = await wire();
  reader.write(`${head(`GET ${path}`)}Accept: text/event-stream\r\n${headers}\r\n`);
  await reader.until('retry: ');
  return reader;
}
