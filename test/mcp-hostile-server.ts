// A server on standard input and output that means no good, for tests of those who use one. It speaks by itself, without a
// library that would stop it. Its first argument is a folder: `list.json` there is what it says its tools are, `modern` has
// it speak the newer era, and what it hears back it writes there.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

interface Heard {
  id?: string | number;
  method?: string;
  params?: { name?: string; _meta?: { progressToken?: string | number } };
  result?: unknown;
  error?: unknown;
}

const [folder = '.'] = process.argv.slice(2);
const has = (name: string): boolean => existsSync(join(folder, name));
const write = (line: string): boolean => process.stdout.write(`${line}\n`);
const say = (message: object): boolean => write(JSON.stringify({ jsonrpc: '2.0', ...message }));
const capabilities = { tools: { listChanged: true } };
const named = { name: 'hostile', version: '1' };
/** What the newer era has every list say. */
const fresh = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
const input = { type: 'object' };
const plain = ['good', 'asks', 'garbage', 'babble', 'endless', 'half', 'flood', 'forever'].map((name) => ({
  name,
  description: `${name}.`,
  inputSchema: input,
}));

const listed = (): object[] =>
  has('list.json') ? (JSON.parse(readFileSync(join(folder, 'list.json'), 'utf8')) as object[]) : plain;

const text = (words: string): object => ({
  resultType: 'complete',
  content: [{ type: 'text', text: words }],
});

const ASKED = {
  sampling: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 9 } },
  elicitation: {
    method: 'elicitation/create',
    params: { mode: 'form', message: 'Your password?', requestedSchema: { type: 'object', properties: {} } },
  },
  roots: { method: 'roots/list' },
};

const progress = (progressToken: unknown, at: number): boolean =>
  say({ method: 'notifications/progress', params: { progressToken, progress: at, message: `step ${at}` } });

let asked: { id: unknown; answers: Record<string, unknown> } | undefined;
let isTold = false;

/** What its tools do, by name. */
const does: Record<string, (id: unknown, token: unknown) => void> = {
  good: (id) => say({ id, result: text('good') }),
  structured: (id) => say({ id, result: { ...text('see'), structuredContent: { a: 'aaaa' } } }),
  asks(id) {
    if (has('modern')) {
      say({ id, result: { resultType: 'input_required', inputRequests: ASKED } });
      return;
    }
    asked = { id, answers: {} };
    for (const [name, request] of Object.entries(ASKED)) say({ id: name, ...request });
  },
  garbage(id) {
    for (let at = 0; at < 1_000; at += 1) write(at % 2 === 0 ? 'not json' : '{"neither":"a message"}');
    process.stdout.write(Buffer.from([0xff, 0xfe, 0x0a]));
    say({ id, result: text('after all that') });
  },
  /** A hundred million bytes and no end of line. */
  endless() {
    const chunk = 'x'.repeat(1_000_000);
    let left = 100;
    const more = (): void => {
      if (left-- === 0) return;
      process.stdout.write(chunk, () => {
        appendFileSync(join(folder, 'written'), '.');
        more();
      });
    };
    more();
  },
  half: () => process.stdout.write('{"jsonrpc":"2.0","id":', () => process.exit(0)),
  flood(id, token) {
    for (let at = 1; at <= 2_000; at += 1) progress(token, at);
    say({ id, result: text('flooded') });
  },
  forever(_id, token) {
    let at = 0;
    const more = (): void => {
      if (isTold) return;
      progress(token, (at += 1));
      setImmediate(more);
    };
    more();
  },
};

function answer({ id, method, params, result, error }: Heard): void {
  if (method === 'initialize')
    say({ id, result: { protocolVersion: '2025-11-25', capabilities, serverInfo: named } });
  else if (method === 'server/discover' && has('modern'))
    say({
      id,
      result: { ...fresh, supportedVersions: ['2026-07-28'], capabilities, serverInfo: named },
    });
  else if (method === 'tools/list') say({ id, result: { ...fresh, tools: listed() } });
  else if (method === 'tools/call') does[params?.name ?? '']?.(id, params?._meta?.progressToken);
  else if (method === 'notifications/cancelled') {
    isTold = true;
    appendFileSync(join(folder, 'told'), 'cancelled');
  } else if (method === undefined && asked !== undefined) {
    asked.answers[String(id)] = error ?? result;
    if (Object.keys(asked.answers).length === 3)
      say({ id: asked.id, result: text(JSON.stringify(asked.answers)) });
  } else if (method !== undefined && id !== undefined)
    say({ id, error: { code: -32_601, message: 'Method not found' } });
}

createInterface({ input: process.stdin })
  .on('line', (line) => answer(JSON.parse(line) as Heard))
  .on('close', () => process.exit(0));
