// Session tools: what sessions there are, and making and ending them.
import type { Ids } from '../../kernel/ids.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import type { ReadBackCall } from '../../wire/context.ts';
import { flattened, unflattened } from '../../wire/read-back.ts';
import type { SessionView } from '../../wire/session.ts';
import {
  closeSessionCall,
  listAgentsCall,
  listSessionsCall,
  readBackToolCall,
  readEventsCall,
  startSessionCall,
} from '../../wire/tool-call.ts';
import { eventText } from '../../log/event.ts';
import { defineTool, type Tool } from './tool.ts';

/** Naming a session may end so. */
export const KEY_CODES: readonly ErrorCode[] = [
  'key.invalid',
  'key.too_long',
  'key.ill_formed',
  'session.not_found',
];
/** A page of events is cut after this many characters, between two events. */
const PAGE_CHARS_MAX = 64 * 1_024;

export function sessionTools(ids: Ids): readonly Tool[] {
  return [listAgents, startSession(ids), listSessions, readEvents, readBack, closeSession];
}

const listAgents = defineTool({
  name: 'list_agents',
  scope: 'read',
  title: 'List agents',
  text: 'Lists the agents that sessions can be held with: their names and what they can do. Use it once, before start_session, when you do not know which agent to talk to. It shows agents, not conversations: those are in list_sessions.',
  codes: [],
  args: listAgentsCall,
  hints: { readOnly: true },
  run: async (_args, { runtime, caller }) => ({ agents: runtime.agents(caller) }),
});

const startSession = (ids: Ids): Tool =>
  defineTool({
    name: 'start_session',
    scope: 'send',
    title: 'Start or find a session',
    text: 'Opens a durable conversation with an agent and gives its key, or finds the one that has this key already (`created` is false then). Use it before the first send_message, or to give a new conversation a title. It says nothing to the agent: send_message does. Do not start a new session for every message: the agent remembers what was said in the same one, also after a restart.',
    codes: [
      ...KEY_CODES,
      'agent.unknown',
      'session.mismatch',
      'session.exists',
      'session.damaged',
      'session.limit',
      'capacity',
      'log.fenced',
      'log.poisoned',
      'store.full',
    ],
    args: startSessionCall,
    hints: { readOnly: false, idempotent: true },
    async run(args, { runtime, caller }) {
      const { session: key = `mcp-${ids.id()}`, agent, title, labels, posts } = args;
      const call = {
        ...(agent === undefined ? {} : { agent }),
        ...(title === undefined ? {} : { title }),
        ...(labels === undefined ? {} : { labels }),
        ...(posts === undefined ? {} : { posts }),
        channel: 'mcp',
      };
      const { created, session } = await runtime.open(key, call, caller);
      return { created, ...brief(session) };
    },
  });

const listSessions = defineTool({
  name: 'list_sessions',
  scope: 'read',
  title: 'List sessions',
  text: 'Lists the sessions you may see, the most recently active first, with their state and cost. Use it to find the key of a conversation that was held earlier, or to see what runs. It does not show what was said: read the transcript resource, or read_events.',
  codes: ['cursor.invalid'],
  args: listSessionsCall,
  hints: { readOnly: true },
  async run({ query, ...rest }, { runtime, caller }) {
    const given = Object.entries(rest).filter(([, value]) => value !== undefined);
    const call = { ...Object.fromEntries(given), ...(query === undefined ? {} : { q: query }) };
    const { sessions, nextCursor } = await runtime.sessions(call, caller);
    return { sessions: sessions.map(brief), nextCursor };
  },
});

const readEvents = defineTool({
  name: 'read_events',
  scope: 'read',
  title: 'Read the log of a session',
  text: 'Reads what happened in a session, event by event and in order: messages, tool calls and their results, questions, outcomes. Use it to see how an answer came about, or what has happened since you last looked (pass `nextAfter` of the last answer as `after`). For the answer of one turn use wait_for_turn; for the conversation alone, the transcript resource is shorter.',
  codes: [...KEY_CODES, 'cursor.ahead', 'session.damaged'],
  args: readEventsCall,
  hints: { readOnly: true },
  async run({ session, after, limit }, { runtime, caller }) {
    const page = await runtime.events(session, { after, limit }, caller);
    const events: unknown[] = [];
    let chars = 0;
    let nextAfter = after;
    for (const event of page.events) {
      const text = eventText(event);
      chars += text.length;
      if (events.length > 0 && chars > PAGE_CHARS_MAX) break;
      events.push(JSON.parse(text));
      nextAfter = event.seq;
    }
    return { session, events, nextAfter, more: nextAfter < page.headSeq };
  },
});

const readBack = defineTool({
  name: 'read_back',
  scope: 'read',
  title: 'Read back',
  text: 'Reads what was moved out of a session because it was large or old: results of tools, files, earlier turns, by the `ref` that a reference, a digest or the context resource shows. Use it when only a beginning, an end or a digest is shown and you need the rest: by lines, head, tail, bytes, search or path, one of them at a time; with none it reads from the start. The answer is a page; `next` has the arguments that go on where it stopped. It changes nothing and wakes nothing. Not for what is still in the transcript, and never for another session.',
  codes: [...KEY_CODES, 'read-back.invalid', 'artifact.not_found', 'capacity', 'session.damaged'],
  args: readBackToolCall,
  hints: { readOnly: true },
  async run({ session: key, ...args }, { runtime, caller, signal }) {
    const call = unflattened({
      ...args,
      fromLine: args.from_line,
      toLine: args.to_line,
      ignoreCase: args.ignore_case,
      fromByte: args.from_byte,
      toByte: args.to_byte,
      fromRef: args.from_ref,
    });
    const { next, ...page } = await runtime.readBack(key, call, { signal }, caller);
    return next === undefined ? page : { ...page, next: { session: key, ...argumentsOf(next) } };
  },
});

/** As this tool takes them. */
function argumentsOf(call: ReadBackCall): Record<string, unknown> {
  const named = Object.entries(flattened(call));
  return Object.fromEntries(
    named.map(([name, value]) => [name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`), value]),
  );
}

const closeSession = defineTool({
  name: 'close_session',
  scope: 'send',
  title: 'Close a session for good',
  text: 'Ends a session: stops what runs in it, and takes no more messages. What was said stays readable. Use it when a conversation is over and nobody will go on with it. Not needed to free memory or to pause: an idle session costs nothing, and wakes with its next message. To stop one answer only, use cancel_turn.',
  codes: [...KEY_CODES, 'session.damaged', 'capacity', 'log.fenced', 'store.full'],
  args: closeSessionCall,
  hints: { readOnly: false, destructive: true, idempotent: true },
  async run({ session, reason = 'closed over MCP' }, { runtime, caller }) {
    const view = await runtime.close(session, { reason }, caller);
    return view === null ? { session, state: 'closed' } : brief(view);
  },
});

/** What a model needs of a session; the rest is in the API. */
function brief(view: SessionView): object {
  const { key, agent, title, summary, state, turn, queued, labels, costUsd, lastActiveAt } = view;
  return { session: key, agent, title, summary, state, turn, queued, labels, costUsd, lastActiveAt };
}
