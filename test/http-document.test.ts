// What the server says about itself: the OpenAPI document, its page, readiness and figures.
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { allRoutes } from '../src/face/http/routes.ts';
import { serve, withCalls } from './http-support.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Fields = Record<string, Json>;

interface Described {
  responses: Record<string, { content?: object }>;
}

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

async function document(): Promise<Fields> {
  const { call } = await serve();
  return (await call('GET', '/openapi.json', { token: null })).json as Fields;
}

function* nodesOf(value: Json): Generator<Fields> {
  if (value === null || typeof value !== 'object') return;
  if (!Array.isArray(value)) yield value;
  for (const member of Object.values(value)) yield* nodesOf(member);
}

describe('the OpenAPI document', () => {
  test('names every route there is, and no other', async () => {
    const { paths } = await document();

    const named = Object.entries(paths as Record<string, Fields>).flatMap(([path, calls]) =>
      Object.keys(calls).map((method) => `${method.toUpperCase()} ${path}`),
    );

    expect(named.toSorted()).toEqual(
      allRoutes()
        .map(({ method, path }) => `${method} ${path}`)
        .toSorted(),
    );
  });

  test('is OpenAPI 3.1 as the standard describes it', async () => {
    const validator = new Validator();

    const { valid, errors } = await validator.validate(await document());

    expect([errors, valid, validator.version]).toEqual([undefined, true, '3.1']);
  });

  test('keeps the rules that the standard says in words: names are unique, and paths name their parameters', async () => {
    const doc = await document();
    const calls = Object.entries(doc['paths'] as Record<string, Record<string, Fields>>).flatMap(
      ([path, methods]) => Object.values(methods).map((call) => ({ path, call })),
    );

    expect(doc['openapi']).toMatch(/^3\.1\.\d+$/);
    expect(doc['info']).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    const ids = calls.map(({ call }) => call['operationId']);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = (doc['tags'] as Fields[]).map(({ name }) => name);
    for (const { path, call } of calls) {
      const parameters = call['parameters'] as Fields[];
      const inPath = parameters.filter((parameter) => parameter['in'] === 'path');
      expect(inPath.map(({ name }) => `{${text(name)}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(inPath.every(({ required }) => required === true)).toBe(true);
      const keys = parameters.map((parameter) => `${text(parameter['in'])} ${text(parameter['name'])}`);
      expect(new Set(keys).size).toBe(keys.length);
      expect(parameters.every(({ schema }) => schema !== undefined)).toBe(true);
      expect(tags).toEqual(expect.arrayContaining(call['tags'] as string[]));
      const responses = call['responses'] as Record<string, Fields>;
      for (const [status, response] of Object.entries(responses)) {
        expect(status).toMatch(/^(default|[1-5]\d\d)$/);
        expect(response['$ref'] ?? response['description']).toEqual(expect.any(String));
      }
    }
  });

  test('refers only to what is in it, and leaves nothing in it that nobody refers to', async () => {
    const doc = await document();
    const refs = new Set<string>();

    for (const node of nodesOf(doc)) if (typeof node['$ref'] === 'string') refs.add(node['$ref']);

    for (const ref of refs) {
      const found = ref
        .slice(2)
        .split('/')
        .reduce<Json | undefined>((at, name) => (at as Fields | undefined)?.[name], doc);
      expect([ref, found === undefined]).toEqual([ref, false]);
    }
    const { schemas } = doc['components'] as Record<string, Fields>;
    for (const name of Object.keys(schemas ?? {}))
      expect([...refs]).toContain(`#/components/schemas/${name}`);
  });

  test('has only schemas that are JSON Schema of 2020-12', async () => {
    const doc = await document();
    const { schemas } = doc['components'] as { schemas: Record<string, Fields> };
    const types = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];

    const faults: string[] = [];
    for (const node of nodesOf(schemas)) {
      const { type, required, properties, enum: values } = node;
      if (typeof type === 'string' && !types.includes(type)) faults.push(`type ${type}`);
      if ('nullable' in node) faults.push('nullable');
      const known = Object.keys((properties as Fields | undefined) ?? {});
      if (Array.isArray(required) && !required.every((name) => known.includes(text(name)))) {
        faults.push(`required ${JSON.stringify(required)}`);
      }
      if (Array.isArray(values) && new Set(values).size < values.length) faults.push(JSON.stringify(values));
    }

    expect(faults).toEqual([]);
  });

  test('says which calls refuse unknown fields, and leaves answers open for more', async () => {
    const { schemas } = (await document())['components'] as { schemas: Record<string, Fields> };

    expect(schemas['TurnCall']?.['additionalProperties']).toBe(false);
    expect(schemas['Session']?.['additionalProperties']).toBeUndefined();
  });

  test('closes no shape of an answer, not even beside a reference: it would refuse what it refers to', async () => {
    const doc = await document();
    const { schemas } = doc['components'] as { schemas: Record<string, Fields> };
    const closed: string[] = [];
    const seen = new Set<string>();
    const look = (value: Json, at: string): void => {
      for (const node of nodesOf(value)) {
        if (node['additionalProperties'] === false) closed.push(at);
        const name = text(node['$ref']).split('/').at(-1) ?? '';
        const shape = schemas[name];
        if (shape === undefined || seen.has(name)) continue;
        seen.add(name);
        look(shape, name);
      }
    };

    for (const [path, calls] of Object.entries(doc['paths'] as Record<string, Record<string, Fields>>))
      for (const { responses } of Object.values(calls)) look(responses ?? null, path);

    expect(seen.size).toBeGreaterThan(20);
    expect(closed).toEqual([]);
  });

  test('names the kinds of content that are served where it is not only JSON', async () => {
    const { call } = await serve();
    const { paths } = await document();
    await call('PUT', '/v1/sessions/a', { body: {} });
    const named = (path: string): string[] => {
      const { get } = (paths as Record<string, { get?: Described }>)[path] ?? {};
      return Object.keys(get?.responses['200']?.content ?? {});
    };

    const map = await call('GET', '/v1/sessions/a/context?format=mermaid');
    const self = await call('GET', '/openapi.json');

    expect(map.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(named('/v1/sessions/{key}/context')).toEqual(['application/json', 'text/plain']);
    expect(named('/v1/sessions/{key}/artifacts/{id}')).toEqual(['*/*']);
    expect(self.json).toMatchObject({
      paths: {
        '/openapi.json': {
          get: { responses: { 200: { content: { 'application/json': { schema: { type: 'object' } } } } } },
        },
      },
    });
  });

  test('says which parameters are numbers and which are yes or no', async () => {
    const { paths } = await document();
    const types = new Map<string, Json | undefined>();
    for (const calls of Object.values(paths as Record<string, Record<string, Fields>>))
      for (const { parameters } of Object.values(calls))
        for (const { name, in: place, schema } of (parameters ?? []) as Fields[])
          if (place !== 'path') types.set(text(name), (schema as Fields)['type']);

    const numbers = ['limit', 'before', 'after', 'Last-Event-ID', 'fromLine', 'tail', 'fromByte'];
    expect(numbers.map((name) => types.get(name))).toEqual(numbers.map(() => 'integer'));
    expect(['erase', 'turnPerStep', 'ignoreCase'].map((name) => types.get(name))).toEqual(
      Array(3).fill('boolean'),
    );
    expect(['q', 'cursor', 'search', 'Prefer'].map((name) => types.get(name))).toEqual(
      Array(4).fill('string'),
    );
  });

  test('says which calls need no token', async () => {
    const { paths, security } = await document();

    expect(security).toEqual([{ bearer: [] }]);
    expect((paths as Record<string, Record<string, Fields>>)['/healthz']?.['get']?.['security']).toEqual([]);
  });
});

describe('the page about it', () => {
  test('shows every call and every shape, and every link on it leads somewhere', async () => {
    const { call } = await serve();

    const { text, headers } = await call('GET', '/docs', { token: null });

    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    for (const { id } of allRoutes()) expect(text).toContain(`<article id="${id}">`);
    const ids = new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    const links = [...text.matchAll(/href="#([^"]+)"/g)].map(([, link]) => link);
    for (const link of links) expect(ids).toContain(link);
  });

  test('brings everything with it and may run nothing', async () => {
    const { call } = await serve();

    const { text, headers } = await call('GET', '/docs', { token: null });

    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]+=';/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(text).not.toMatch(/<script|<img|<link|javascript:|style="|src=/);
    expect(text.replaceAll('http://127.0.0.1:4242', '')).not.toMatch(/https?:\/\//);
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  test('is where the root leads', async () => {
    const { call } = await serve();

    const answer = await call('GET', '/', { token: null });

    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/docs']);
  });
});

describe('health', () => {
  test('is ok for anybody, in two letters', async () => {
    const { call } = await serve();

    const answer = await call('GET', '/healthz', { token: null });

    expect([answer.status, answer.text]).toEqual([200, 'ok']);
  });

  test('readiness follows the runtime', async () => {
    const fit = await serve();
    const leaving = await serve({}, withCalls({ health: 'draining' }));

    const ready = await fit.call('GET', '/readyz');
    const draining = await leaving.call('GET', '/readyz');

    expect([ready.status, ready.json]).toEqual([200, { status: 'ready' }]);
    expect([draining.status, draining.json]).toEqual([503, { status: 'draining' }]);
  });

  test('readiness needs scope read, as the document says', async () => {
    const { call, newToken } = await serve();
    const { secret: token } = await newToken({ scopes: ['send'] });

    const { status, json } = await call('GET', '/readyz', { token });

    expect([status, json['code']]).toEqual([403, 'auth.scope']);
  });

  test('figures come as Prometheus reads them', async () => {
    const { call } = await serve();
    await call('GET', '/v1/nothing');
    await call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' }, headers: { Prefer: 'wait=30' } });

    const { text, headers } = await call('GET', '/metrics');

    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"\n]*"(,\w+="[^"\n]*")*\})? -?[\d.e+-]+)$/);
    }
    expect(text).toContain('sojourn_turns_total{outcome="completed"} 1\n');
    expect(text).toContain('sojourn_http_answers_total{status="404"} 1\n');
    expect(text).toMatch(/^sojourn_registry_misses_total 1$/m);
    const types = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)];
    expect(new Set(types.map(([, name]) => name)).size).toBe(types.length);
  });
});
