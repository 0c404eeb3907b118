// Control routes: what steers the server rather than one session. Their bodies are checked most strictly.
import { dirtyCall, projectCall, tokenCall } from '../../wire/schema.ts';
import {
  agentPageView,
  markedView,
  newTokenView,
  projectPageView,
  projectView,
  statsView,
  tokenPageView,
} from '../../wire/view-schema.ts';
import { metricsText } from './metrics.ts';
import type { Route } from './route.ts';

const STEERS = { steers: true };

export const controlRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/dirty',
    access: 'operate',
    tag: 'Control',
    id: 'markDirty',
    summary: 'Have live sessions remade at their next safe point',
    description: 'A running turn ends on the old instance; the next one runs on a new one.',
    body: dirtyCall,
    answers: { 200: { description: 'How many were marked.', schema: markedView } },
    answer: async (x) => x.json(200, await x.runtime.dirty(await x.body(dirtyCall, STEERS), x.caller)),
  },
  {
    method: 'GET',
    path: '/v1/agents',
    access: 'read',
    tag: 'Control',
    id: 'listAgents',
    summary: 'List the registered agents',
    answers: { 200: { description: 'All agents.', schema: agentPageView } },
    answer: (x) => x.json(200, { agents: x.runtime.agents(x.caller) }),
  },
  {
    method: 'GET',
    path: '/v1/stats',
    access: 'read',
    tag: 'Control',
    id: 'getStats',
    summary: 'Read what the server is doing',
    answers: { 200: { description: 'Counts and sizes.', schema: statsView } },
    answer: (x) => x.json(200, x.runtime.stats(x.caller)),
  },
  {
    method: 'GET',
    path: '/v1/projects',
    access: 'admin',
    tag: 'Projects and tokens',
    id: 'listProjects',
    summary: 'List projects',
    answers: { 200: { description: 'All projects.', schema: projectPageView } },
    answer: async (x) => x.json(200, { projects: await x.runtime.projects(x.caller) }),
  },
  {
    method: 'POST',
    path: '/v1/projects',
    access: 'admin',
    tag: 'Projects and tokens',
    id: 'addProject',
    summary: 'Add a project',
    body: projectCall,
    answers: { 201: { description: 'The new project.', schema: projectView } },
    answer: async (x) => {
      const { name } = await x.body(projectCall, STEERS);
      x.json(201, await x.runtime.addProject(name, x.caller));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/projects/{name}',
    access: 'admin',
    tag: 'Projects and tokens',
    id: 'removeProject',
    summary: 'Remove a project and its tokens',
    description: '`project.in_use` while it has sessions.',
    answers: { 204: { description: 'It is gone.' } },
    answer: async (x) => {
      await x.runtime.removeProject(x.param('name'), x.caller);
      x.empty(204);
    },
  },
  {
    method: 'GET',
    path: '/v1/tokens',
    access: 'admin',
    tag: 'Projects and tokens',
    id: 'listTokens',
    summary: 'List tokens, without their secrets',
    answers: { 200: { description: 'Those of the project.', schema: tokenPageView } },
    answer: async (x) => x.json(200, { tokens: await x.runtime.tokens(x.caller) }),
  },
  {
    method: 'POST',
    path: '/v1/tokens',
    access: 'admin',
    tag: 'Projects and tokens',
    id: 'addToken',
    summary: 'Make a token',
    description: 'The secret is shown this once.',
    body: tokenCall,
    answers: { 201: { description: 'The token with its secret.', schema: newTokenView } },
    answer: async (x) => x.json(201, await x.runtime.addToken(await x.body(tokenCall, STEERS), x.caller)),
  },
  {
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    access: 'admin',
    tag: 'Projects and tokens',
    id: 'removeToken',
    summary: 'Revoke a token, and end its streams',
    answers: { 204: { description: 'It is revoked.' } },
    answer: async (x) => {
      await x.runtime.removeToken(x.param('id'), x.caller);
      x.empty(204);
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    access: 'read',
    tag: 'Health',
    id: 'getMetrics',
    summary: 'Read the figures as Prometheus text',
    answers: { 200: { description: 'Prometheus text format 0.0.4.', type: 'text/plain' } },
    answer: (x) => {
      const text = metricsText(x.runtime.stats(x.caller), x.parts.figures());
      x.text(200, 'text/plain; version=0.0.4; charset=utf-8', text);
    },
  },
];
