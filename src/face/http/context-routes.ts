// Context routes: what the next turn of a session would see.
import { mermaid } from '../../context/mermaid.ts';
import { SojournError } from '../../kernel/errors.ts';
import { contextView } from '../../wire/context-schema.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './route.ts';

const FORMATS = ['json', 'mermaid'];

async function read(x: Exchange): Promise<void> {
  const format = x.query('format') ?? 'json';
  if (!FORMATS.includes(format))
    throw new SojournError('input.invalid', `At "?format": must be one of ${FORMATS.join(', ')}`);
  const view = await x.runtime.context(x.key, x.caller);
  if (format === 'json') x.json(200, view);
  else x.text(200, 'text/plain; charset=utf-8', mermaid(view));
}

export const contextRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sessions/{key}/context',
    access: 'read',
    tag: 'Sessions',
    id: 'getContext',
    summary: 'Read what the next turn would see, and what it takes',
    description:
      'With `format=mermaid`: the map of its tasks, as the text of a Mermaid diagram. Reading it wakes nothing.',
    parameters: [{ name: 'format', in: 'query', description: '`json` (default) or `mermaid`.' }],
    answers: { 200: { description: 'The working set.', schema: contextView, type: 'text/plain' } },
    answer: read,
  },
];
