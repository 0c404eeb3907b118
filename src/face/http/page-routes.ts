// Page routes: what a person, a probe or a tool asks of the server itself. The open ones hold nothing of anybody's:
// they are the same for every installation.
import type { Exchange } from './exchange.ts';
import type { Route } from './route.ts';

function ready(x: Exchange): void {
  const { health } = x.runtime;
  x.json(health === 'ready' ? 200 : 503, { status: health });
}

/** `document` and `page` are made when they are first asked for. */
export function pageRoutes(pages: {
  document: () => Promise<string>;
  page: () => Promise<{ html: string; policy: string }>;
}): readonly Route[] {
  return [
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
      answers: { 200: { description: 'It does.' }, 503: { description: 'It starts, leaves or has failed.' } },
      answer: ready,
    },
    {
      method: 'GET',
      path: '/openapi.json',
      access: 'open',
      tag: 'Pages',
      id: 'getDocument',
      summary: 'This document',
      answers: { 200: { description: 'OpenAPI 3.1.', type: 'application/json' } },
      answer: async (x) => x.text(200, 'application/json', await pages.document()),
    },
    {
      method: 'GET',
      path: '/docs',
      access: 'open',
      tag: 'Pages',
      id: 'getDocs',
      summary: 'This document, for people',
      answers: { 200: { description: 'A page.', type: 'text/html' } },
      answer: async (x) => {
        const { html, policy } = await pages.page();
        x.text(200, 'text/html; charset=utf-8', html, [
          ['Content-Security-Policy', policy],
          ['Referrer-Policy', 'no-referrer'],
          ['Cross-Origin-Opener-Policy', 'same-origin'],
          ['Cross-Origin-Resource-Policy', 'same-origin'],
        ]);
      },
    },
    {
      method: 'GET',
      path: '/',
      access: 'open',
      tag: 'Pages',
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
