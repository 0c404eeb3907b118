// Docs: the OpenAPI document as one page for people. No script, nothing from elsewhere: it works offline, and its
// policy allows nothing but its own style.
import { hash } from 'node:crypto';
import { DOCS_STYLE } from './docs-style.ts';
import type { OpenApiDocument } from './openapi.ts';

/** The parts of the document that are shown; it is our own, so its shape is known. */
interface Schema {
  $ref?: string;
  type?: string | readonly string[];
  description?: string;
  properties?: Record<string, Schema>;
  required?: readonly string[];
  items?: Schema;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  allOf?: readonly Schema[];
  enum?: readonly unknown[];
  const?: unknown;
  default?: unknown;
  format?: string;
  additionalProperties?: unknown;
}

interface Content {
  content?: Record<string, { schema?: Schema }>;
}

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: readonly string[];
  parameters: readonly { name: string; in: string; description?: string }[];
  requestBody?: Content;
  responses: Record<string, Content & { description?: string }>;
}

interface Call extends Operation {
  method: string;
  path: string;
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

export function docsPage(document: OpenApiDocument): { html: string; policy: string } {
  const calls = callsOf(document);
  const tags = (document.tags ?? []).map(({ name }) => name);
  const schemas = Object.entries((document.components?.schemas ?? {}) as Record<string, Schema>);
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(document.info.title)}: the HTTP interface</title>
<style>${DOCS_STYLE}</style>
</head>
<body>
<nav aria-label="Calls">
<a class="brand" href="#top">${escaped(document.info.title)}</a>
${tags.map((tag) => navOf(tag, calls)).join('\n')}
<h2>Shapes</h2>
<ul>${schemas.map(([name]) => `<li><a href="#shape-${escaped(name)}">${escaped(name)}</a></li>`).join('')}</ul>
</nav>
<main id="top">
<header>
<h1>The HTTP interface</h1>
<p>${prose(document.info.description ?? '')}</p>
<p>Send <code>Authorization: Bearer &lt;token&gt;</code>; the first token lies in the file <code>token</code> of the data folder. The same in a form for machines: <a href="/openapi.json">openapi.json</a>.</p>
<pre><code>curl -N http://127.0.0.1:4242/v1/sessions/alice/turns \\
  -H "Authorization: Bearer $(cat .sojourn/token)" \\
  -H 'Content-Type: application/json' -H 'Accept: text/event-stream' \\
  -d '{"input": "Hello"}'</code></pre>
</header>
${tags.map((tag) => sectionOf(tag, calls)).join('\n')}
<section>
<h2>Shapes</h2>
${schemas.map(([name, schema]) => shapeOf(name, schema)).join('\n')}
</section>
</main>
</body>
</html>
`;
  return { html, policy: policyOf() };
}

function policyOf(): string {
  const style = hash('sha256', DOCS_STYLE, 'base64');
  return `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

function callsOf(document: OpenApiDocument): readonly Call[] {
  const paths = (document.paths ?? {}) as unknown as Record<string, Record<string, Operation>>;
  return Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const operation = operations[method];
      return operation === undefined ? [] : [{ ...operation, method, path }];
    }),
  );
}

const tagged = (tag: string, calls: readonly Call[]): readonly Call[] =>
  calls.filter((call) => call.tags.includes(tag));

function navOf(tag: string, calls: readonly Call[]): string {
  const items = tagged(tag, calls).map(
    (call) =>
      `<li><a href="#${call.operationId}">${badge(call.method)}<span>${escaped(call.summary)}</span></a></li>`,
  );
  return `<h2>${escaped(tag)}</h2><ul>${items.join('')}</ul>`;
}

const badge = (method: string): string => `<b class="method ${method}">${method.toUpperCase()}</b>`;

function sectionOf(tag: string, calls: readonly Call[]): string {
  return `<section><h2>${escaped(tag)}</h2>${tagged(tag, calls).map(articleOf).join('\n')}</section>`;
}

function articleOf(call: Call): string {
  const path = escaped(call.path).replaceAll(/\{\w+\}/g, (name) => `<i>${name}</i>`);
  const parameters = call.parameters
    .filter((parameter) => parameter.in !== 'path')
    .map((parameter) => rowOf(parameter.name, parameter.in, prose(parameter.description ?? '')));
  const [body] = Object.values(call.requestBody?.content ?? {});
  const answers = Object.entries(call.responses)
    .filter(([status]) => status !== 'default')
    .map(([status, answer]) => rowOf(status, contentOf(answer), prose(answer.description ?? '')));
  return `<article id="${call.operationId}">
<h3>${badge(call.method)} <code>${path}</code></h3>
<p class="summary">${escaped(call.summary)}.</p>
<p>${prose(call.description)}</p>
${parameters.length > 0 ? tableOf('Parameters', parameters) : ''}
${body?.schema === undefined ? '' : `<p class="label">Body</p>${fieldsOf(body.schema)}`}
${tableOf('Answers', answers)}
</article>`;
}

function contentOf(answer: Content): string {
  return Object.entries(answer.content ?? {})
    .map(([type, { schema }]) => (schema?.type === 'string' ? escaped(type) : typeOf(schema ?? {})))
    .join(' or ');
}

function shapeOf(name: string, schema: Schema): string {
  return `<article id="shape-${escaped(name)}"><h3><code>${escaped(name)}</code></h3>
<p>${prose(schema.description ?? '')}</p>${fieldsOf(schema)}</article>`;
}

/** A table for an object that is written out here, and a word for anything else. */
function fieldsOf(schema: Schema): string {
  if (schema.properties === undefined) return `<p>${typeOf(schema)}</p>`;
  const rows = Object.entries(schema.properties).map(([name, field]) => {
    const needed = schema.required?.includes(name) === true ? '' : ' <small>optional</small>';
    const standard = field.default === undefined ? '' : ` Default \`${JSON.stringify(field.default)}\`.`;
    return rowOf(name, typeOf(field) + needed, prose((field.description ?? '') + standard));
  });
  return tableOf('', rows);
}

function tableOf(label: string, rows: readonly string[]): string {
  const head = label === '' ? '' : `<p class="label">${label}</p>`;
  return `${head}<div class="wide"><table>${rows.join('')}</table></div>`;
}

/** `type` and `about` are HTML already. */
function rowOf(name: string, type: string, about: string): string {
  return `<tr><th scope="row"><code>${escaped(name)}</code></th><td class="type">${type}</td><td>${about}</td></tr>`;
}

function typeOf(schema: Schema): string {
  const name = schema.$ref?.split('/').at(-1);
  if (name !== undefined) return `<a href="#shape-${escaped(name)}">${escaped(name)}</a>`;
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return alternatives.map(typeOf).join(' or ');
  if (schema.allOf !== undefined) return schema.allOf.map(typeOf).join(' and ');
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `<code>${escaped(String(value))}</code>`).join(' ');
  if (schema.const !== undefined) return `<code>${escaped(JSON.stringify(schema.const))}</code>`;
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (schema.format === 'date-time') return 'time';
  if (schema.properties !== undefined) {
    const fields = Object.entries(schema.properties).map(
      ([field, inner]) => `${escaped(field)}: ${typeOf(inner)}`,
    );
    return `{ ${fields.join(', ')} }`;
  }
  return escaped([schema.type ?? 'any'].flat().join(' or '));
}

/** Text with `code` in back quotes. */
function prose(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
