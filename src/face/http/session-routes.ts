// Session routes: making, reading, changing, moving and ending sessions.
import { SojournError } from '../../kernel/errors.ts';
import { SESSION_STATES, type SessionState } from '../../wire/session.ts';
import { IMPORT_FORMATS, type ImportCall } from '../../wire/calls.ts';
import { importedView } from '../../wire/import-schema.ts';
import { forkCall, openCall, reasonCall, updateCall } from '../../wire/schema.ts';
import {
  evictedView,
  sessionPageView,
  sessionView,
  transcriptView,
  treeNode,
} from '../../wire/view-schema.ts';
import { checkContentType } from './body.ts';
import type { Exchange } from './exchange.ts';
import { linesOf } from './lines.ts';
import type { Parameter, Route } from './route.ts';

const PAGE_MAX = 200;
const LINE_TYPES = ['application/x-ndjson', 'application/jsonl', 'application/json'];
const session = { description: 'The session.', schema: sessionView };

async function open(x: Exchange): Promise<void> {
  const call = await x.body(openCall, { steers: false });
  const { created, session: view } = await x.runtime.open(x.key, call, x.caller);
  x.json(created ? 201 : 200, view, created ? [located(view.key)] : []);
}

const located = (key: string): [string, string] => ['Location', `/v1/sessions/${encodeURIComponent(key)}`];

async function list(x: Exchange): Promise<void> {
  const state = x.query('state');
  if (state !== undefined && !isState(state)) {
    throw new SojournError('input.invalid', `At "?state": must be one of ${SESSION_STATES.join(', ')}`);
  }
  const limit = x.queryInt('limit', 1, PAGE_MAX);
  const texts = (['agent', 'owner', 'parent', 'label', 'q', 'cursor'] as const).flatMap((name) => {
    const value = x.query(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const query = {
    ...Object.fromEntries(texts),
    ...(state === undefined ? {} : { state }),
    ...(limit === undefined ? {} : { limit }),
  };
  x.json(200, await x.runtime.sessions(query, x.caller));
}

const isState = (text: string): text is SessionState => SESSION_STATES.some((state) => state === text);

async function close(x: Exchange): Promise<void> {
  const call = await x.body(reasonCall, { steers: true });
  const reason = call.reason ?? x.query('reason');
  const erase = x.queryFlag('erase') ?? false;
  const view = await x.runtime.close(x.key, { erase, ...(reason === undefined ? {} : { reason }) }, x.caller);
  if (view === null) x.empty(204);
  else x.json(200, view);
}

/** One line at a time, at the reader's pace. */
async function exportLines(x: Exchange): Promise<void> {
  const lines = await x.runtime.export(x.key, x.caller);
  x.head(200, [
    ['Content-Type', 'application/x-ndjson'],
    ['Content-Disposition', 'attachment; filename="session.jsonl"'],
  ]);
  const { response } = x;
  for await (const line of lines) {
    x.goOn();
    if (!response.write(line.endsWith('\n') ? line : `${line}\n`)) await x.drained();
  }
  response.end();
}

async function importLines(x: Exchange): Promise<void> {
  checkContentType(x.request, LINE_TYPES);
  x.takeBody();
  const { limits, clock, pulse } = x.parts;
  const call = importCallOf(x);
  const view = await x.runtime.import(x.key, linesOf(x.request, limits, clock, pulse), call, x.caller);
  x.json(201, view, [located(view.key)]);
}

function importCallOf(x: Exchange): ImportCall {
  const format = x.query('format');
  if (format !== undefined && !isFormat(format))
    throw new SojournError(
      'input.invalid',
      `At "?format": must be auto or one of ${IMPORT_FORMATS.join(', ')}`,
    );
  const agent = x.query('agent');
  return {
    ...(format === undefined ? {} : { format }),
    ...(agent === undefined ? {} : { agent }),
    turnPerStep: x.queryFlag('turnPerStep') ?? false,
  };
}

const isFormat = (text: string): text is NonNullable<ImportCall['format']> =>
  text === 'auto' || IMPORT_FORMATS.some((format) => format === text);

const importParameters: readonly Parameter[] = [
  {
    name: 'format',
    in: 'query',
    description: `What the body is: \`auto\`, which is the default and tells it by the content, or one of ${IMPORT_FORMATS.join(', ')}. \`sojourn\` is an export.`,
  },
  {
    name: 'agent',
    in: 'query',
    description:
      'Who goes on with the session. Default: the agent of the export; the default one for other logs.',
  },
  {
    name: 'turnPerStep',
    in: 'query',
    type: 'boolean',
    description: '`true`: of a log of another agent, each call of its model becomes a turn of its own.',
  },
];

const filters: readonly Parameter[] = [
  { name: 'state', in: 'query', description: `One of ${SESSION_STATES.join(', ')}.` },
  { name: 'agent', in: 'query', description: 'Sessions of this agent.' },
  { name: 'owner', in: 'query', description: 'Sessions of this owner.' },
  { name: 'parent', in: 'query', description: 'Children of the session with this key or id.' },
  { name: 'label', in: 'query', description: 'Sessions with this label.' },
  { name: 'q', in: 'query', description: 'Words, or how words begin, in key, title or summary.' },
  { name: 'limit', in: 'query', type: 'integer', description: 'Sessions in a page: 1 to 200, default 50.' },
  { name: 'cursor', in: 'query', description: '`nextCursor` of the page before.' },
];

export const sessionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sessions',
    access: 'read',
    tag: 'Sessions',
    id: 'listSessions',
    summary: 'List sessions, newest activity first',
    parameters: filters,
    answers: { 200: { description: 'A page.', schema: sessionPageView } },
    answer: list,
  },
  {
    method: 'PUT',
    path: '/v1/sessions/{key}',
    access: 'send',
    tag: 'Sessions',
    id: 'openSession',
    summary: 'Make a session, or get the one there is',
    description: 'Another agent or owner than it has is `session.mismatch`.',
    body: openCall,
    answers: { 200: session, 201: { ...session, description: 'The new session.' } },
    answer: open,
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}',
    access: 'read',
    tag: 'Sessions',
    id: 'getSession',
    summary: 'Read a session',
    description: 'A read never makes one.',
    answers: { 200: session },
    answer: async (x) => x.json(200, await x.runtime.session(x.key, x.caller)),
  },
  {
    method: 'PATCH',
    path: '/v1/sessions/{key}',
    access: 'send',
    tag: 'Sessions',
    id: 'updateSession',
    summary: 'Change title, labels, metadata or budget',
    body: updateCall,
    answers: { 200: session },
    answer: async (x) => {
      const call = await x.body(updateCall, { steers: false });
      x.json(200, await x.runtime.update(x.key, call, x.caller));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/sessions/{key}',
    access: 'send',
    tag: 'Sessions',
    id: 'closeSession',
    summary: 'Close a session for good, or erase it',
    description:
      'Cancels what runs, waits for it, and puts the session away; its history stays. With `erase`, log, artifacts, receipts and search rows go too (scope `admin`).',
    parameters: [
      { name: 'erase', in: 'query', type: 'boolean', description: '`true` erases it and frees the key.' },
      { name: 'reason', in: 'query', description: 'Kept in the log.' },
    ],
    answers: { 200: { ...session, description: 'It is closed.' }, 204: { description: 'It is erased.' } },
    answer: close,
  },
  {
    method: 'POST',
    path: '/v1/sessions/{key}/evict',
    access: 'operate',
    tag: 'Sessions',
    id: 'evictSession',
    summary: 'Put the live session away now, without closing it',
    description: '`session.busy` while a turn runs. `evicted` is false when it was not live.',
    answers: { 200: { description: 'Done.', schema: evictedView } },
    answer: async (x) => x.json(200, { evicted: await x.runtime.evict(x.key, x.caller) }),
  },
  {
    method: 'POST',
    path: '/v1/sessions/{key}/fork',
    access: 'send',
    tag: 'Sessions',
    id: 'forkSession',
    summary: 'Start a new session with the history up to a turn',
    body: forkCall,
    answers: { 201: { ...session, description: 'The new session.' } },
    answer: async (x) => {
      const view = await x.runtime.fork(x.key, await x.body(forkCall, { steers: true }), x.caller);
      x.json(201, view, [located(view.key)]);
    },
  },
  {
    method: 'PUT',
    path: '/v1/sessions/{key}/aliases/{alias}',
    access: 'send',
    tag: 'Sessions',
    id: 'addAlias',
    summary: 'Give a session another key',
    answers: { 204: { description: 'Both keys name it now.' } },
    answer: async (x) => {
      await x.runtime.addAlias(x.key, x.param('alias'), x.caller);
      x.empty(204);
    },
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}/export',
    access: 'read',
    tag: 'Sessions',
    id: 'exportSession',
    summary: 'Take the log along as JSON lines, artifacts included',
    answers: { 200: { description: 'JSON lines.', type: 'application/x-ndjson' } },
    answer: exportLines,
  },
  {
    method: 'POST',
    path: '/v1/sessions/{key}/import',
    access: 'send',
    tag: 'Sessions',
    id: 'importSession',
    summary: 'Take an export, or a log of another agent, as a new session under this key',
    description:
      'All of it is taken, or nothing is. A line of an export is at most 8 MiB, a log of another agent 64 Mi characters in all. What of such a log is no part of the conversation, or could not be understood, is counted in `imported`.',
    parameters: importParameters,
    bodyType: 'application/x-ndjson',
    answers: {
      201: { description: 'The new session, and what became of what was sent.', schema: importedView },
    },
    answer: importLines,
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}/transcript',
    access: 'read',
    tag: 'Sessions',
    id: 'getTranscript',
    summary: 'Read the conversation',
    answers: { 200: { description: 'What was said, oldest first.', schema: transcriptView } },
    answer: async (x) => x.json(200, { messages: await x.runtime.transcript(x.key, x.caller) }),
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}/tree',
    access: 'read',
    tag: 'Sessions',
    id: 'getTree',
    summary: 'Read a session, its children and theirs, with usage and cost summed',
    answers: { 200: { description: 'The tree.', schema: treeNode } },
    answer: async (x) => x.json(200, await x.runtime.tree(x.key, x.caller)),
  },
];
