// Routes: the whole table.
import { artifactRoutes } from './artifact-routes.ts';
import { contextRoutes } from './context-routes.ts';
import { controlRoutes } from './control-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { identityRoutes } from './identity-routes.ts';
import { pageRoutes, type Page } from './page-routes.ts';
import { readBackRoutes } from './read-back-routes.ts';
import type { Route } from './route.ts';
import { sessionRoutes } from './session-routes.ts';
import { timelineRoutes } from './timeline-routes.ts';
import { turnRoutes } from './turn-routes.ts';

export function allRoutes(): readonly Route[] {
  const described: readonly Route[] = [
    ...sessionRoutes,
    ...contextRoutes,
    ...readBackRoutes,
    ...turnRoutes,
    ...eventRoutes,
    ...artifactRoutes,
    ...timelineRoutes,
    ...identityRoutes,
    ...controlRoutes,
  ];
  let document: Promise<string> | undefined;
  let page: Promise<Page> | undefined;
  const pages = pageRoutes(
    () => (document ??= makeDocument([...described, ...pages])),
    () => (page ??= makePage([...described, ...pages])),
  );
  return [...described, ...pages];
}

/** Loaded late: most servers are never asked for it. */
async function makeDocument(routes: readonly Route[]): Promise<string> {
  const { openApi } = await import('./openapi.ts');
  return JSON.stringify(openApi(routes));
}

async function makePage(routes: readonly Route[]): Promise<Page> {
  const [{ openApi }, { docsPage }] = await Promise.all([import('./openapi.ts'), import('./docs.ts')]);
  return docsPage(openApi(routes));
}
