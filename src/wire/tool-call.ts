// Tool call: what a model says when it uses Sojourn through tools, and the schema that it is shown of it.
//
//   T1. A schema says all that its model is told, so its descriptions are written for a reader who knows nothing.
//   T2. Handles are ordinary members: a session is named by its key, a sign-in by its token. Nothing hangs on a
//       connection.
import * as z from 'zod';
import type { JsonObject } from '../kernel/json.ts';
import { MILESTONES } from './post.ts';
import { READ_BACK_MEMBERS } from './read-back.ts';
import { POST_METADATA_CHARS_MAX, type Schema } from './schema.ts';
import { SESSION_STATES } from './session.ts';
import { POLICIES } from './turn.ts';

/** The longest wait that a tool call may ask for. */
export const WAIT_SECONDS_MAX = 300;
const WAIT_SECONDS = 25;

const line = (max: number, description: string) => z.string().min(1).max(max).describe(description);
const session = z.string().describe('The key of the session, as start_session or list_sessions gave it.');
const turn = line(64, 'The id of the turn, as send_message gave it.');
const waitSeconds = z
  .number()
  .min(0)
  .max(WAIT_SECONDS_MAX)
  .default(WAIT_SECONDS)
  .describe(
    `How long this call may wait for the turn to end; ${WAIT_SECONDS} unless given, 0 does not wait. The turn goes on when the time is over: ask again with wait_for_turn.`,
  );

export const listAgentsCall = z.strictObject({});

export const startSessionCall = z.strictObject({
  session: z
    .string()
    .optional()
    .describe(
      'A key of your choice, 1 to 512 bytes. The same key is the same conversation, also tomorrow. Without it one is made up.',
    ),
  agent: line(200, 'A name from list_agents. Without it the default agent answers.').optional(),
  title: line(1_000, 'A few words for people who look at a list of sessions.').optional(),
  labels: z.array(z.string().min(1).max(200)).max(100).optional().describe('To find it by later.'),
  posts: z
    .array(z.enum(MILESTONES))
    .max(MILESTONES.length)
    .optional()
    .describe(
      'What the session posts on the timeline by itself: turn, when a turn has ended; child, when a helper of it has; budget, when one is used up. Nothing unless given.',
    ),
});

export const sendMessageCall = z.strictObject({
  session,
  message: z.string().min(1).describe('What to say, in plain text.'),
  policy: z
    .enum(POLICIES)
    .default('queue')
    .describe(
      'What to do when the session is busy. queue: wait in line. collect: join what waits into one turn. steer: hand it to the running turn. interrupt: stop the running turn, keep what it said, then run. rollback: stop it and forget it, then run. reject: answer session.busy.',
    ),
  wait_seconds: waitSeconds,
  idempotency_key: line(
    255,
    'Any text that is new for a new message. The same key and message, sent again, give the first answer instead of a second turn.',
  ).optional(),
});

export const waitForTurnCall = z.strictObject({ session, turn, wait_seconds: waitSeconds });

export const readEventsCall = z.strictObject({
  session,
  after: z
    .int()
    .min(0)
    .default(0)
    .describe('Only what came after this seq: 0 for the beginning, then the nextAfter of the last answer.'),
  limit: z.int().min(1).max(200).default(50).describe('Events at most; 1 to 200.'),
});

export const cancelTurnCall = z.strictObject({
  session,
  turn: turn.optional().describe('The turn to stop. Without it, the running one and all that wait.'),
  reason: line(1_000, 'Why, for the log.').optional(),
});

export const answerRequestCall = z.strictObject({
  session,
  request: line(64, 'The id of the open request, as a waiting turn shows it.'),
  decision: z.enum(['allow', 'deny']).describe('allow answers a question or lets the tool run.'),
  answer: z.string().optional().describe("The person's words, where a question was asked."),
  remember: z
    .boolean()
    .optional()
    .describe('Give the same answer to later asks of this session about the same tool and input.'),
});

export const listSessionsCall = z.strictObject({
  state: z.enum(SESSION_STATES).optional().describe('Only those in this state.'),
  agent: line(200, 'Only those of this agent.').optional(),
  label: line(200, 'Only those with this label.').optional(),
  query: line(200, 'Words of the key, the title or the first message.').optional(),
  limit: z.int().min(1).max(200).default(50).describe('Sessions at most; 1 to 200.'),
  cursor: z.string().optional().describe('The nextCursor of the last answer.'),
});

const means = READ_BACK_MEMBERS;
const place = (least: number, description: string) => z.int().min(least).optional().describe(description);

export const readBackToolCall = z.strictObject({
  session,
  ref: line(100, means.ref).optional(),
  from_line: place(1, means.fromLine),
  to_line: place(1, means.toLine),
  head: place(1, means.head),
  tail: place(1, means.tail),
  search: line(1_000, means.search).optional(),
  ignore_case: z.boolean().optional().describe(means.ignoreCase),
  around: place(0, means.around),
  path: line(1_000, means.path).optional(),
  from_byte: place(0, means.fromByte),
  to_byte: place(0, means.toByte),
  from_ref: line(100, means.fromRef).optional(),
});

export const closeSessionCall = z.strictObject({
  session,
  reason: line(1_000, 'Why, for the log.').optional(),
});

const signIn = line(
  200,
  'The token that sign_in gave you. It is secret: show it to nobody, and post it nowhere.',
);
const noteText = z.string().max(4_000);

export const signInCall = z.strictObject({
  name: noteText.describe('Who you are, 1 to 100 characters: the same name is the same identity next time.'),
  context: noteText
    .optional()
    .describe(
      'What tells you apart from others of the name, up to 200 characters: a project, a branch, a role.',
    ),
});

export const postTimelineCall = z.strictObject({
  sign_in: signIn,
  content: noteText.describe('1 to 280 characters of plain text: what you did, found or are about to do.'),
  metadata: z
    .record(z.string(), z.unknown())
    .refine((value) => JSON.stringify(value).length <= POST_METADATA_CHARS_MAX, { error: 'is over 4 KiB' })
    .transform((value) => value as JsonObject)
    .optional()
    .describe(
      'Facts for programs that read along, as an object of at most 4 KiB. People see the content only.',
    ),
  session: session.optional().describe('The key of the session it is about.'),
  turn: turn.optional().describe('The turn of that session it is about.'),
  idempotency_key: line(
    200,
    'Any text that is new for a new post. The same key and post, sent again, make one post.',
  ).optional(),
});

export const readTimelineCall = z.strictObject({
  after: z.int().min(0).optional().describe('Only posts with a larger id, oldest first: what is new since.'),
  before: z.int().min(0).optional().describe('Only posts with a smaller id, newest first: further back.'),
  identity: line(200, 'Only posts of the identity with this id.').optional(),
  session: session.optional().describe('Only posts about the session with this key.'),
  since: line(64, 'Only posts of this time or later, as 2026-01-31T09:00:00Z.').optional(),
  until: line(64, 'Only posts before this time, as 2026-01-31T17:00:00Z.').optional(),
  limit: z.int().min(1).max(200).default(50).describe('Posts at most; 1 to 200.'),
});

export const signOutCall = z.strictObject({ sign_in: signIn });

/** As JSON Schema 2020-12: of what is sent, so that a member with a default may be left out. */
export function jsonSchemaOf(schema: Schema): JsonObject & { type: 'object' } {
  return { ...(z.toJSONSchema(schema, { io: 'input' }) as JsonObject), type: 'object' };
}

// Tasks, for clients that take them in place of an answer.

export const taskCall = z.object({ taskId: z.string() });
export const taskUpdateCall = z.object({
  taskId: z.string(),
  inputResponses: z.record(z.string(), z.unknown()).optional(),
});
export const taskResult = z.looseObject({});
