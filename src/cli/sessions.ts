// Sessions: ls, show, cancel, close, evict, fork, dirty.
import { Option, type Command } from 'commander';
import type { DirtyCall, ForkCall, SessionQuery } from '../wire/calls.ts';
import type { ContextView } from '../wire/context.ts';
import { textOf, type TranscriptMessage } from '../wire/message.ts';
import { SESSION_STATES, type SessionView } from '../wire/session.ts';
import { contextLines } from './context-text.ts';
import { desk, wholeNumber } from './desk.ts';
import { brief, table, visible, type Screen } from './screen.ts';
import type { World } from './world.ts';

const COLUMNS = 100;

interface ShowOptions {
  messages: number;
  context?: true;
  mermaid?: true;
}

export function addSessions(program: Command, world: World): void {
  addReading(program, world);
  addEnding(program, world);
  addChanging(program, world);
}

function addReading(program: Command, world: World): void {
  program
    .command('ls')
    .description('list sessions, newest activity first')
    .addOption(new Option('--state <state>', 'only in this state').choices(SESSION_STATES))
    .option('--agent <name>', 'only of this agent')
    .option('--owner <owner>', 'only of this owner')
    .option('--parent <key>', 'only the children of this session')
    .option('--label <label>', 'only with this label')
    .option('-q, --q <text>', 'only with this in key, title or summary')
    .option('-n, --limit <count>', 'how many at most', wholeNumber(1), 50)
    .option('--all', 'all of them, page after page')
    .action(async (options: SessionQuery & { limit: number; all?: true }, command: Command) => {
      const { screen, server } = desk(world, command);
      await list(screen, server.sessions(listQuery(options)), options.all ? Infinity : options.limit);
    });

  program
    .command('show <key>')
    .description('show a session and what was said in it')
    .option('-n, --messages <count>', 'how many of the last messages', wholeNumber(0), 20)
    .option('--context', 'instead what its next turn would see, and what that takes')
    .option('--mermaid', 'instead the map of its tasks, as a Mermaid diagram')
    .action(async (key: string, options: ShowOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      if (options.mermaid) return shownTasks(screen, await server.session(key).taskMap());
      if (options.context) return shownContext(world, screen, key, await server.session(key).context());
      const session = await server.session(key).view();
      const all = options.messages === 0 ? [] : await server.session(key).transcript();
      const messages = all.slice(-options.messages);
      screen.result({ session, messages }, () => shown(screen, session, messages));
    });
}

function addEnding(program: Command, world: World): void {
  program
    .command('cancel <key> [turn]')
    .description('stop the running turn and all that wait, or one turn; waits until it has unwound')
    .option('--reason <text>', 'why')
    .action(async (key: string, turn: string | undefined, options: { reason?: string }, command: Command) => {
      const { screen, server } = desk(world, command);
      const session = server.session(key);
      if (turn === undefined) {
        const result = await session.cancel(options);
        screen.result(result, () => `${result.cancelled.length} cancelled`);
      } else {
        const result = await session.cancelTurn(turn, options);
        screen.result(result, () => (result.changed ? result.outcome : `it was over: ${result.outcome}`));
      }
    });

  program
    .command('close <key>')
    .description('close a session for good; its history stays')
    .option('--reason <text>', 'why')
    .option('--erase', 'erase its log, artifacts and receipts too, and free the key')
    .action(async (key: string, options: { reason?: string; erase?: true }, command: Command) => {
      const { screen, server } = desk(world, command);
      if (options.erase) {
        await server.session(key).erase();
        screen.result({ erased: key }, () => 'erased');
      } else {
        const session = await server.session(key).close(options);
        screen.result(session, () => 'closed');
      }
    });

  program
    .command('evict <key>')
    .description('put a live session away now; the next message wakes it')
    .action(async (key: string, _options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const result = await server.session(key).evict();
      screen.result(result, () => (result.evicted ? 'put away' : 'it was not live'));
    });
}

function addChanging(program: Command, world: World): void {
  program
    .command('fork <key> <new-key>')
    .description('start a new session with the history of another')
    .option('--after <turn>', 'the last turn whose history is taken along')
    .action(async (key: string, newKey: string, options: { after?: string }, command: Command) => {
      const { screen, server } = desk(world, command);
      const call: ForkCall = {
        key: newKey,
        ...(options.after === undefined ? {} : { afterTurn: options.after }),
      };
      const session = await server.session(key).fork(call);
      screen.result(session, () => `${visible(session.key)} has ${session.headSeq} events`);
    });

  program
    .command('dirty')
    .description('have live sessions remade at their next safe point; all of them without a choice')
    .option('--agent <name>', 'those of this agent')
    .option('--key <key>', 'this one')
    .option('--reason <text>', 'why', 'asked for')
    .action(async (options: DirtyCall, command: Command) => {
      const { screen, server } = desk(world, command);
      const { agent, key, reason } = options;
      const chosen = { ...(agent === undefined ? {} : { agent }), ...(key === undefined ? {} : { key }) };
      const result = await server.dirty({ ...chosen, reason });
      screen.result(result, () => `${result.marked} marked`);
    });
}

function listQuery(options: SessionQuery & { limit: number }): SessionQuery {
  const { state, agent, owner, parent, label, q, limit } = options;
  const query = { state, agent, owner, parent, label, q, limit: Math.min(200, limit) };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}

async function list(screen: Screen, sessions: AsyncIterable<SessionView>, countMax: number): Promise<void> {
  const rows: string[][] = [];
  let count = 0;
  for await (const session of sessions) {
    if (screen.json) screen.value(session);
    else rows.push(row(session));
    count += 1;
    if (count >= countMax) break;
  }
  if (screen.json) return;
  if (rows.length === 0) screen.note('There is no such session.');
  else screen.line(table([['KEY', 'STATE', 'AGENT', 'LAST ACTIVE (UTC)', 'TITLE'], ...rows]));
}

function row(session: SessionView): string[] {
  const { key, state, agent, lastActiveAt, title, summary, queued } = session;
  const stateText = queued > 0 ? `${state} +${queued}` : state;
  return [
    brief(key, 40),
    stateText,
    brief(agent, 20),
    timeText(lastActiveAt),
    brief(title ?? summary ?? '', 60),
  ];
}

function shown(screen: Screen, session: SessionView, messages: readonly TranscriptMessage[]): string {
  const { usage, costUsd } = session;
  const facts: [string, string | null][] = [
    ['key', visible(session.key)],
    ['id', session.id],
    ['agent', session.agent],
    ['state', `${session.state}${session.live ? ', live' : ''}${session.dirty ? ', dirty' : ''}`],
    ['title', session.title && visible(session.title)],
    ['owner', session.owner && visible(session.owner)],
    ['labels', session.labels.map(visible).join(', ')],
    ['turn', session.turn],
    ['queued', session.queued > 0 ? String(session.queued) : null],
    ['events', String(session.headSeq)],
    ['usage', usageText(usage, costUsd)],
    ['made', timeText(session.createdAt)],
    ['active', timeText(session.lastActiveAt)],
  ];
  const head = table(facts.flatMap(([name, value]) => (value ? [[name, value]] : [])));
  return [head, ...messages.map((message) => said(screen, message))].join('\n\n');
}

function shownContext(world: World, screen: Screen, key: string, view: ContextView): void {
  const lines = contextLines(key, view, world.stdout.columns || COLUMNS);
  screen.result(view, () =>
    lines.map(({ text, style }) => (style === 'reset' ? text : screen.style(style, text))).join('\n'),
  );
}

function shownTasks(screen: Screen, mermaid: string): void {
  screen.result({ mermaid }, () => visible(mermaid.trimEnd()));
}

function said(screen: Screen, message: TranscriptMessage): string {
  const marks = `${message.dropped ? ' (dropped)' : ''}${message.partial ? ' (partial)' : ''}`;
  const others = message.parts.filter((part) => part.type !== 'text').map((part) => `[${part.type}]`);
  const text = [visible(textOf(message.parts)), ...others].filter((piece) => piece !== '').join(' ');
  return `${screen.style('bold', message.role)}${screen.style('dim', ` ${timeText(message.at)}${marks}`)}\n${text}`;
}

function usageText(usage: SessionView['usage'], costUsd: number): string {
  return `${usage.inputTokens} in, ${usage.outputTokens} out, $${costUsd.toFixed(4)}`;
}

const timeText = (at: string): string => at.slice(0, 19).replace('T', ' ');
