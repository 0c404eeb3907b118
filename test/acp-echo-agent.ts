// An agent that speaks the Agent Client Protocol and does what it is told, so that every behaviour of one can be seen without a
// model. Each line of a prompt is a command; what is none is said back.
//
//   /words N MS            says w1 w2 ... wN, one word every MS milliseconds
//   /think TEXT            thinks it aloud
//   /tool NAME JSON        calls a tool that returns its input; a path among it is where it is at
//   /stream MS NAME JSON   calls a tool whose arguments come piece by piece, and which says nothing until it is done
//   /big CHARS             calls a tool that returns that much
//   /other TITLE           calls a tool that it has no name and no kind for
//   /broken TEXT           calls a tool that fails with it
//   /edit PATH             calls a tool that reports what it changed
//   /ask NAME JSON         calls a tool once a permission allows it, and says which option was chosen; allowed for always, that
//                          tool runs unasked from then on, whatever its arguments
//   /both NAME JSON JSON   asks for two permissions at once
//   /plan                  makes a plan of three, and works on the second
//   /usage IN OUT READ WRITE [THOUGHT]   the answer says so
//   /cost USD              this much more
//   /late USD              goes on until it is told to stop, and then says that it was this much more
//   /image CHARS           sends an image of so many characters in base64
//   /files                 says what came with the prompt
//   /count, /recall N      says how many prompts this session has had, this one included; repeats the Nth
//   /env NAME, /cwd, /mcp, /pid          says it
//   /read PATH             asks its client for a file
//   /spawn                 starts a process that leaves the group and ignores SIGTERM, and says its number
//   /stderr TEXT           writes it there
//   /crash CODE            ends at once with that code; without one, as by kill -9
//   /deaf [MS]             goes on for ever, and ignores that it is told to stop; with MS, for so long
//   /fail TEXT             answers the prompt with an error
//   /stop REASON           answers with that reason
//   /odd                   sends what the protocol does not know
//
// Arguments: memory=FOLDER keeps each session there, so that another process can open it; can=load,resume says how (default:
// both); version=N answers with that version; takes=image,audio,embeddedContext says what prompts may hold (default: all);
// slow=MS delays its start; sign-in=yes wants one;
// stubborn=yes stays when its input closes and when it is sent SIGTERM.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import * as acp from '@agentclientprotocol/sdk';

interface Kept {
  prompts: string[];
  costUsd: number;
  /** A command that waits for a permission. */
  waiting: string | null;
}

interface Turn {
  session: string;
  kept: Kept;
  client: acp.AgentContext;
  blocks: readonly acp.ContentBlock[];
  signal: AbortSignal;
  answer: acp.PromptResponse;
}

type Command = (turn: Turn, rest: string, words: readonly string[]) => Promise<void> | void;

const args = new Map(process.argv.slice(2).map((word) => word.split(/=(.*)/s) as [string, string]));
const memory = args.get('memory');
const can = (args.get('can') ?? 'load,resume').split(',');
const takes = (args.get('takes') ?? 'image,audio,embeddedContext').split(',');

const sessions = new Map<string, Kept>();
const turns = new Map<string, AbortController>();
let places: { cwd: string; mcpServers: readonly acp.McpServer[] } = { cwd: '', mcpServers: [] };
let calls = 0;
/** Tools that run unasked. */
const trusted = new Set<string>();

const keep = (session: string, kept: Kept): void => {
  if (memory !== undefined) writeFileSync(join(memory, `${session}.json`), JSON.stringify(kept));
};

const update = (turn: Turn, what: acp.SessionUpdate): Promise<void> =>
  turn.client.notify(acp.methods.client.session.update, { sessionId: turn.session, update: what });

const say = (turn: Turn, text: string): Promise<void> =>
  update(turn, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });

const nextCall = (): string => `call-${process.pid}-${(calls += 1)}`;

/** Announced without its arguments first, as models stream them. */
async function call(turn: Turn, name: string, input: unknown, result: Partial<acp.ToolCallUpdate>) {
  const toolCallId = nextCall();
  const { path } = input as { path?: string };
  await update(turn, { sessionUpdate: 'tool_call', toolCallId, name, title: name, status: 'pending' });
  await update(turn, {
    sessionUpdate: 'tool_call_update',
    toolCallId,
    rawInput: input,
    status: 'in_progress',
    ...(path === undefined ? {} : { locations: [{ path }] }),
  });
  await update(turn, { sessionUpdate: 'tool_call_update', toolCallId, title: `${name} works` });
  await update(turn, { sessionUpdate: 'tool_call_update', toolCallId, status: 'completed', ...result });
}

/** The first of its arguments, as models stream them. */
async function forming(turn: Turn, name: string, input: unknown): Promise<string> {
  const toolCallId = nextCall();
  const title = `Run ${name}`;
  await update(turn, { sessionUpdate: 'tool_call', toolCallId, name, title, status: 'pending' });
  const rawInput = Object.fromEntries(Object.entries(input as object).slice(0, 1));
  await update(turn, { sessionUpdate: 'tool_call_update', toolCallId, rawInput });
  return toolCallId;
}

const OPTIONS: acp.PermissionOption[] = [
  { optionId: 'yes-always', name: 'Always', kind: 'allow_always' },
  { optionId: 'yes', name: 'Yes', kind: 'allow_once' },
  { optionId: 'no', name: 'No', kind: 'reject_once' },
  { optionId: 'no-always', name: 'Never', kind: 'reject_always' },
];

async function permitted(turn: Turn, name: string, input: unknown): Promise<string> {
  if (trusted.has(name)) {
    await call(turn, name, input, { rawOutput: input });
    return 'unasked';
  }
  const title = `Run ${name}`;
  const toolCallId = await forming(turn, name, input);
  const { outcome } = await turn.client.request(acp.methods.client.session.requestPermission, {
    sessionId: turn.session,
    toolCall: { toolCallId, title, rawInput: input },
    options: OPTIONS,
  });
  if (outcome.outcome === 'cancelled') {
    await new Promise(setImmediate);
    if (!turn.signal.aborted) process.exit(70); // Nobody told it before that the turn is over.
    return 'cancelled';
  }
  const isAllowed = outcome.optionId.startsWith('yes');
  if (outcome.optionId === 'yes-always') trusted.add(name);
  await update(turn, {
    sessionUpdate: 'tool_call_update',
    toolCallId,
    status: isAllowed ? 'completed' : 'failed',
    rawOutput: isAllowed ? input : 'refused',
  });
  return outcome.optionId;
}

const json = (text: string): unknown => JSON.parse(text === '' ? '{}' : text);

const COMMANDS: Readonly<Record<string, Command>> = {
  async words(turn, _rest, [count = '1', ms = '0']) {
    for (let word = 1; word <= Number(count) && !turn.signal.aborted; word += 1) {
      if (word > 1) await pause(Number(ms), undefined, { signal: turn.signal }).catch(() => undefined);
      if (!turn.signal.aborted) await say(turn, `${word > 1 ? ' ' : ''}w${word}`);
    }
  },
  think: (turn, text) =>
    update(turn, { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text } }),
  async tool(turn, rest, [name = 'tool']) {
    const input = json(rest.slice(name.length).trim());
    await call(turn, name, input, { rawOutput: input });
  },
  async stream(turn, rest, [ms = '0', name = 'tool']) {
    const input = json(rest.slice(ms.length + name.length + 1).trim());
    const toolCallId = await forming(turn, name, input);
    await update(turn, { sessionUpdate: 'tool_call_update', toolCallId, rawInput: input });
    await pause(Number(ms), undefined, { signal: turn.signal }).catch(() => undefined);
    await update(turn, {
      sessionUpdate: 'tool_call_update',
      toolCallId,
      status: 'completed',
      rawOutput: 'done',
    });
  },
  big: (turn, chars) => call(turn, 'big', { chars }, { rawOutput: 'x'.repeat(Number(chars)) }),
  async other(turn, title) {
    const toolCallId = nextCall();
    await update(turn, { sessionUpdate: 'tool_call', toolCallId, title, kind: 'other', status: 'pending' });
    const said = { toolCallId, title: `${title} is done`, status: 'completed' } as const;
    await update(turn, { sessionUpdate: 'tool_call_update', ...said });
  },
  broken: (turn, text) =>
    call(
      turn,
      'broken',
      { text },
      {
        status: 'failed',
        content: [{ type: 'content', content: { type: 'text', text } }],
      },
    ),
  edit: (turn, path) =>
    call(
      turn,
      'edit',
      { path },
      {
        content: [{ type: 'diff', path, oldText: 'before', newText: 'after' }],
      },
    ),
  async ask(turn, rest, [name = 'tool']) {
    turn.kept.waiting = `/ask ${rest}`;
    keep(turn.session, turn.kept);
    const chosen = await permitted(turn, name, json(rest.slice(name.length).trim()));
    if (chosen === 'cancelled') return; // It still waits, for whoever opens the session again.
    turn.kept.waiting = null;
    keep(turn.session, turn.kept);
    await say(turn, `chosen: ${chosen}`);
  },
  async both(turn, _rest, [name = 'tool', one = '{}', other = '{}']) {
    const chosen = await Promise.all([one, other].map((input) => permitted(turn, name, json(input))));
    await say(turn, `chosen: ${chosen.join(' and ')}`);
  },
  plan: (turn) =>
    update(turn, {
      sessionUpdate: 'plan',
      entries: [
        { content: 'Look', priority: 'high', status: 'completed' },
        { content: 'Think', priority: 'medium', status: 'in_progress' },
        { content: 'Act', priority: 'low', status: 'pending' },
      ],
    }),
  usage(turn, _rest, words) {
    const [
      inputTokens = 0,
      outputTokens = 0,
      cachedReadTokens = 0,
      cachedWriteTokens = 0,
      thoughtTokens = 0,
    ] = words.map(Number);
    const totalTokens = inputTokens + outputTokens + cachedReadTokens + cachedWriteTokens + thoughtTokens;
    const usage = {
      inputTokens,
      outputTokens,
      cachedReadTokens,
      cachedWriteTokens,
      thoughtTokens,
      totalTokens,
    };
    Object.assign(turn.answer, { usage }); // An extension, as agents send it.
  },
  async cost(turn, usd) {
    turn.kept.costUsd += Number(usd);
    keep(turn.session, turn.kept);
    const cost = { amount: turn.kept.costUsd, currency: 'USD' };
    await update(turn, { sessionUpdate: 'usage_update', used: 10, size: 100, cost });
  },
  async late(turn, usd, words) {
    await new Promise((resolve) => turn.signal.addEventListener('abort', resolve));
    await COMMANDS.cost?.(turn, usd, words);
  },
  image(turn, chars) {
    const content = { type: 'image', mimeType: 'image/png', data: 'A'.repeat(Number(chars)) } as const;
    return update(turn, { sessionUpdate: 'agent_message_chunk', content });
  },
  async files(turn) {
    const shown = turn.blocks.slice(1).map((block) => {
      if (block.type === 'text') return `text ${block.text}`;
      if (block.type === 'resource_link') return `link ${block.name} ${block.uri}`;
      if (block.type === 'resource') {
        const { resource } = block;
        return `resource ${resource.uri} ${'text' in resource ? resource.text : resource.blob}`;
      }
      return `${block.type} ${block.mimeType} ${block.data}`;
    });
    await say(turn, shown.join(' | '));
  },
  count: (turn) => say(turn, `This session has had ${turn.kept.prompts.length} prompts.`),
  recall: (turn, which) => say(turn, turn.kept.prompts[Number(which) - 1] ?? 'nothing'),
  env: (turn, name) => say(turn, `${name}=${process.env[name] ?? ''}`),
  cwd: (turn) => say(turn, `${places.cwd} ${process.cwd()}`),
  mcp: (turn) => say(turn, JSON.stringify(places.mcpServers)),
  pid: (turn) => say(turn, String(process.pid)),
  async read(turn, path) {
    const asked = { sessionId: turn.session, path };
    const reading = turn.client.request<acp.ReadTextFileResponse>('fs/read_text_file', asked);
    const said = await reading.catch((error: Error) => ({ content: `refused: ${error.message}` }));
    await say(turn, String(said.content));
  },
  async spawn(turn) {
    const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
    const below = spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore' });
    below.unref();
    await say(turn, `${below.pid}`);
  },
  stderr: (_turn, text) => void process.stderr.write(`${text}\n`),
  crash(_turn, code) {
    if (code !== '') process.exit(Number(code));
    process.kill(process.pid, 'SIGKILL');
  },
  async deaf(turn, ms) {
    await say(turn, 'I do not listen.');
    if (ms !== '') {
      await new Promise((resolve) => turn.signal.addEventListener('abort', resolve));
      await pause(Number(ms));
      return;
    }
    await new Promise(() => setInterval(() => undefined, 1_000));
  },
  fail(_turn, text) {
    throw acp.RequestError.internalError({ details: text });
  },
  stop: (turn, reason) => void (turn.answer.stopReason = reason as acp.StopReason),
  async odd(turn) {
    const odd = (what: object): Promise<void> =>
      turn.client.notify('session/update', { sessionId: turn.session, update: what });
    await odd({ sessionUpdate: 'from_the_future', secret: true });
    await odd({ sessionUpdate: 'plan', entries: 'none' });
    await turn.client.notify('_ours/hello', { to: 'nobody' });
    await say(turn, 'still here');
  },
};

async function obey(turn: Turn, line: string): Promise<void> {
  const [, name = '', rest = ''] = /^\/([a-z]+) ?(.*)$/.exec(line) ?? [];
  const command = COMMANDS[name];
  if (command === undefined) return say(turn, `You said: ${line}`);
  await command(turn, rest, rest.split(' '));
}

async function prompted(params: acp.PromptRequest, client: acp.AgentContext): Promise<acp.PromptResponse> {
  const { sessionId: session, prompt: blocks } = params;
  const kept = sessions.get(session);
  if (kept === undefined) throw acp.RequestError.sessionNotFound(session);
  const first = blocks[0];
  const text = first?.type === 'text' ? first.text : '';
  const { waiting } = kept;
  kept.prompts.push(text);
  keep(session, kept);
  const stop = new AbortController();
  turns.set(session, stop);
  const turn: Turn = {
    session,
    kept,
    client,
    blocks,
    signal: stop.signal,
    answer: { stopReason: 'end_turn' },
  };
  const isGoingOn = waiting !== null && text.startsWith('You were stopped while you waited');
  for (const line of isGoingOn ? [waiting] : text.split('\n')) {
    await obey(turn, line);
    if (stop.signal.aborted) return { ...turn.answer, stopReason: 'cancelled' };
  }
  return turn.answer;
}

function opened(params: acp.LoadSessionRequest | acp.ResumeSessionRequest): Kept {
  const file = join(memory ?? '', `${params.sessionId}.json`);
  if (memory === undefined || !existsSync(file)) throw acp.RequestError.sessionNotFound(params.sessionId);
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;
  sessions.set(params.sessionId, kept);
  places = { cwd: params.cwd, mcpServers: params.mcpServers ?? [] };
  return kept;
}

await pause(Number(args.get('slow') ?? 0));
if (args.get('stubborn') === 'yes') {
  process.on('SIGTERM', () => undefined);
  setInterval(() => undefined, 1_000);
}

acp
  .agent({ name: 'echo' })
  .onRequest('initialize', () => ({
    protocolVersion: Number(args.get('version') ?? acp.PROTOCOL_VERSION),
    agentCapabilities: {
      loadSession: memory !== undefined && can.includes('load'),
      promptCapabilities: Object.fromEntries(takes.map((kind) => [kind, true])),
      mcpCapabilities: { http: true },
      sessionCapabilities: memory !== undefined && can.includes('resume') ? { resume: {} } : {},
    },
  }))
  .onRequest('session/new', ({ params }) => {
    if (args.get('sign-in') === 'yes') throw acp.RequestError.authRequired();
    const sessionId = randomUUID();
    const kept: Kept = { prompts: [], costUsd: 0, waiting: null };
    sessions.set(sessionId, kept);
    keep(sessionId, kept);
    places = { cwd: params.cwd, mcpServers: params.mcpServers };
    return { sessionId };
  })
  .onRequest('session/load', async ({ params, client }) => {
    for (const text of opened(params).prompts) {
      const sessionUpdate = 'agent_message_chunk';
      const replayed = { sessionUpdate, content: { type: 'text', text: `again: ${text}` } } as const;
      await client.notify('session/update', { sessionId: params.sessionId, update: replayed });
    }
    return {};
  })
  .onRequest('session/resume', ({ params }) => {
    opened(params);
    return {};
  })
  .onRequest('session/prompt', ({ params, client }) => prompted(params, client))
  .onNotification('session/cancel', ({ params }) => turns.get(params.sessionId)?.abort())
  .connect(
    acp.ndJsonStream(
      Writable.toWeb(process.stdout),
      Readable.toWeb(process.stdin) as unknown as ReadableStream<Uint8Array>,
    ),
  );
