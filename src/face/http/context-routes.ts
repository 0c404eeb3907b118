// Context routes: what the next turn of a session would see.
import { contextView } from '../../wire/context-schema.ts';
import type { Route } from './route.ts';

export const contextRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sessions/{key}/context',
    access: 'read',
    tag: 'Sessions',
    id: 'getContext',
    summary: 'Read what the next turn would see, and what it takes',
    description: 'Reading it wakes nothing.',
    answers: { 200: { description: 'The working set.', schema: contextView } },
    answer: async (x) => x.json(200, await x.runtime.context(x.key, x.caller)),
  },
];
