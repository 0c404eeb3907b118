// Import schema: the shape of what an import is answered.
import * as z from 'zod';
import { IMPORT_FORMATS, type ImportedSession, type ImportSummary } from './calls.ts';
import { sessionView } from './view-schema.ts';

const count = z.int().min(0);

const summary: z.ZodType<ImportSummary> = z
  .object({
    format: z.enum(IMPORT_FORMATS),
    turns: count,
    calls: count.meta({ description: 'Of tools.' }),
    events: count,
    artifacts: count,
    offloadedBytes: count.meta({ description: 'In artifacts.' }),
    leftOut: z.record(z.string(), count).meta({
      description: 'What was understood and is no part of the conversation, by kind: how often.',
    }),
    notUnderstood: z
      .object({ count, samples: z.array(z.object({ at: z.string(), text: z.string() })) })
      .meta({ description: 'How much could not be understood; the first of it, with its place.' }),
  })
  .meta({ id: 'ImportSummary' });

export const importedView: z.ZodType<ImportedSession> = z.intersection(
  sessionView,
  z.object({ imported: summary }),
);
