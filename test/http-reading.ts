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

/** A session with one finished turn: 6 events. */
export async function withTurn(served: Served): Promise<void> {
  await served.call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' } });
}

export async function follow({ wire, head }: Served, path = EVENTS, headers = ''): Promise<Wire> {
  const reader = await wire();
  reader.write(`${head(`GET ${path}`)}Accept: text/event-stream\r\n${headers}\r\n`);
  await reader.until('retry: ');
  return reader;
}
