// Page routes: what a person, a probe or a tool asks of the server itself. The open ones hold nothing of anybody's:
// they are the same for every installation.
import { requireScope } from '../../runtime/access.ts';
import { readinessView } from '../../wire/view-schema.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './route.ts';

function ready(x: Exchange): void {
  // No call of the runtime stands behind this one, to ask for the scope.
  requireScope(x.caller, 'read');
  const { health } = x.runtime;
  x.json(health === 'ready' ? 200 : 503, { status: health });
}

const healthRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/healthz',
    access: 'open',
    tag: 'Health',
    id: 'getHealth',
    summary: 'Is the server there?',
    answers: { 200: { description: 'The body is `ok`.', type: 'text/plain' } },
    answer: (x) => x.text(200, 'text/plain; charset=utf-8', 'ok'),
  },
  {
    method: 'GET',
    path: '/readyz',
    access: 'read',
    tag: 'Health',
    id: 'getReadiness',
    summary: 'Does the server take work?',
    answers: {
      200: { description: 'It does.', schema: readinessView },
      503: { description: 'It starts, leaves or has failed.', schema: readinessView },
    },
    answer: ready,
  },
];

export interface Page {
  html: string;
  /** Its content security policy. */
  policy: string;
}

/** `document` and `page` are made when they are first asked for. */
export function pageRoutes(document: () => Promise<string>, page: () => Promise<Page>): readonly Route[] {
  const shared = { method: 'GET', access: 'open', tag: 'Pages' } as const;
  return [
    ...healthRoutes,
    {
      ...shared,
      path: '/openapi.json',
      id: 'getDocument',
      summary: 'This document',
      answers: { 200: { description: 'OpenAPI 3.1.', type: 'application/json' } },
      answer: async (x) => x.text(200, 'application/json', await document()),
    },
    {
      ...shared,
      path: '/docs',
      id: 'getDocs',
      summary: 'This document, for people',
      answers: { 200: { description: 'A page.', type: 'text/html' } },
      answer: async (x) => show(x, await page()),
    },
    {
      ...shared,
      path: '/',
      id: 'getFront',
      summary: 'The way in for people',
      answers: { 302: { description: 'To the page there is.' } },
      answer: (x) =>
        x.empty(302, [
          ['Location', '/docs'],
          ['Content-Length', '0'],
        ]),
    },
  ];
}

function show(x: Exchange, { html, policy }: Page): void {
  x.text(200, 'text/html; charset=utf-8', html, [
    ['Content-Security-Policy', policy],
    ['Referrer-Policy', 'no-referrer'],
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
  ]);
}
