// OpenApi: the document that describes every route, made from the route table and nothing else.
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { problemView } from '../../wire/view-schema.ts';
import type { Answer, Parameter, Route } from './route.ts';

export type OpenApiDocument = ReturnType<typeof createDocument>;

export function openApi(routes: readonly Route[]): OpenApiDocument {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = operationOf(route);
  }
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Sojourn',
        version: '1',
        summary: 'Durable sessions for AI agents.',
        description:
          'JSON in and out. A session key is one percent-encoded path segment. Errors are problem documents (RFC 9457): match on `code`; `next` says whether trying again can help. A token with scope `admin` acts in another project with the header `Sojourn-Project: name`.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      security: [{ bearer: [] }],
      tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
      paths: paths as ZodOpenApiPathsObject,
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'The first token is in the file `token` of the data folder.',
          },
        },
        responses: {
          Problem: {
            id: 'Problem',
            description: 'What went wrong, and the way out.',
            content: { 'application/problem+json': { schema: problemView } },
          },
        },
      },
    },
    {
      allowEmptySchema: { custom: true },
      // Calls are closed, answers are open: a later version may say more.
      override: ({ jsonSchema, io }) => {
        if (io === 'output') leaveOpen(jsonSchema);
      },
    },
  );
}

interface Closable {
  additionalProperties?: unknown;
  properties?: Record<string, unknown>;
}

/** Its members, too: one that refers to a shape may be closed beside the reference, and would then refuse all the shape has. */
function leaveOpen(schema: Closable): void {
  for (const one of [schema, ...Object.values(schema.properties ?? {})] as Closable[])
    if (one.additionalProperties === false) delete one.additionalProperties;
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const needs = route.access === 'open' ? 'Needs no token.' : `Needs scope \`${route.access}\`.`;
  return {
    operationId: route.id,
    summary: route.summary,
    description: [route.description, needs].filter(Boolean).join(' '),
    tags: [route.tag],
    ...(route.access === 'open' ? { security: [] } : {}),
    parameters: [...pathParameters(route), ...(route.parameters ?? []).map(parameterOf)],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: { 'application/json': { schema: route.body } },
          },
        }),
    ...(route.bodyType === undefined
      ? {}
      : { requestBody: { required: true, content: { [route.bodyType]: { schema: { type: 'string' } } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, answer]) => [status, answerOf(answer)]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

type Parameters = NonNullable<ZodOpenApiOperationObject['parameters']>;

function pathParameters(route: Route): Parameters {
  return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function parameterOf({ name, in: place, description, type = 'string' }: Parameter): Parameters[number] {
  return { name, in: place, description, schema: { type } };
}

const isObject = (type: string): boolean => type === 'application/json';

function answerOf(answer: Answer): NonNullable<ZodOpenApiOperationObject['responses']>['200'] {
  const { description, schema, type } = answer;
  const content = {
    ...(schema === undefined ? {} : { 'application/json': { schema } }),
    ...(type === undefined
      ? {}
      : { [type]: { schema: { type: isObject(type) ? ('object' as const) : ('string' as const) } } }),
  };
  return Object.keys(content).length === 0 ? { description } : { description, content };
}
