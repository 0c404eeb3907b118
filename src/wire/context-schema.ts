// Context schema: the shape of a session's working set as callers see it, typed by the wire types it describes.
import * as z from 'zod';
import type {
  ContextEntry,
  ContextView,
  ReadBack,
  ReadBackCall,
  ReadBackSearch,
  TaskView,
} from './context.ts';

const amount = z.number().min(0);
const time = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' });

const ref = z.string().meta({
  description:
    '`artifact:HEX`, `log:SEQ` or `log:FROM-TO`: what stands there is read back by it, word for word.',
  examples: ['log:12-40'],
});

const contextEntry: z.ZodType<ContextEntry> = z
  .object({
    kind: z.enum(['digest', 'turn']),
    turn: z.string().nullable(),
    ref,
    messages: z.int(),
    tokens: amount,
    callTokens: amount.meta({ description: 'Those that calls of tools and their results take.' }),
    digested: z.int().meta({ description: 'Calls whose results are digested.' }),
    offloaded: z.int().meta({ description: 'Results that are shown by reference.' }),
    text: z.string().meta({ description: 'The beginning of what it says: show it as text.' }),
  })
  .meta({ id: 'ContextEntry', description: 'A digest, or a turn as the next one sees it.' });

const taskView: z.ZodType<TaskView> = z
  .object({
    id: z.string().meta({ description: 'The turn it began with.' }),
    title: z.string(),
    state: z.enum(['open', 'done']),
    turns: z.int(),
    tools: z.array(z.object({ name: z.string(), calls: z.int() })),
    children: z.array(z.string()),
    ref,
    startedAt: time,
    endedAt: time.nullable(),
  })
  .meta({ id: 'Task' });

const share = z.number().min(0).max(1);

export const contextView: z.ZodType<ContextView> = z
  .object({
    session: z.string(),
    seq: z.int().min(0).meta({ description: 'The event up to which this holds.' }),
    windowTokens: amount,
    overheadTokens: amount.meta({
      description: 'What the prompt has besides: instructions and tools. 0 until a provider has told.',
    }),
    tokens: amount.meta({ description: 'Of all entries.' }),
    pressure: z.enum(['none', 'mild', 'aggressive', 'emergency']),
    marks: z
      .object({ mild: share, aggressive: share, emergency: share })
      .meta({ description: 'Shares of the window at which pressure begins.' }),
    ownsHistory: z
      .literal(true)
      .optional()
      .meta({ description: 'Its agent keeps the conversation itself: there are no entries.' }),
    counting: z.string().meta({
      description: 'The family of models that tokens are counted for; `estimate` while some are guessed.',
    }),
    entries: z.array(contextEntry).meta({ description: 'Oldest first.' }),
    calls: z.object({
      pending: z.array(z.object({ turn: z.string(), call: z.string(), name: z.string() })),
      returned: z.int(),
      digested: z.int(),
    }),
    artifacts: z.object({ count: z.int(), bytes: amount }),
    compactions: z.object({ count: z.int(), tokensSaved: z.number(), lastSeq: z.int().nullable() }),
    tasks: z.array(taskView).meta({ description: 'The newest, oldest first.' }),
    earlierTasks: z.int(),
  })
  .meta({ id: 'Context', description: 'What the next turn of a session would see, and what it takes.' });

const place = z.int().min(0);
const searchCall: z.ZodType<ReadBackSearch> = z.object({
  pattern: z.string(),
  ignoreCase: z.boolean().optional(),
  around: place.optional(),
  fromLine: place.optional(),
  fromByte: place.optional(),
  fromRef: ref.optional(),
});
const placeRange = z.object({ from: place, to: place.optional() });

const readBackCall: z.ZodType<ReadBackCall> = z
  .object({
    ref: ref.optional(),
    bytes: placeRange.optional(),
    lines: placeRange.optional(),
    head: place.optional(),
    tail: place.optional(),
    search: searchCall.optional(),
    path: z.string().optional(),
  })
  .meta({ id: 'ReadBackCall', description: 'The call that goes on where an answer stopped.' });

export const readBackView: z.ZodType<ReadBack> = z
  .object({
    ref: ref.nullable().meta({ description: 'Null where all that was moved out was searched.' }),
    mediaType: z.string(),
    bytes: place.nullable().meta({ description: 'Of the whole; null for a stretch of the log.' }),
    text: z.string().meta({ description: 'What agents and strangers wrote: show it as text.' }),
    range: z
      .object({ from: place, to: place })
      .optional()
      .meta({ description: 'The bytes that `text` is, exactly.' }),
    encoding: z.enum(['base64']).optional().meta({ description: '`text` is bytes that are no UTF-8.' }),
    matches: place.optional().meta({ description: 'How many lines or values were found.' }),
    next: readBackCall.optional(),
  })
  .meta({ id: 'ReadBack', description: 'A page of what was moved out of a working set.' });
