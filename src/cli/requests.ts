// Requests: what waits for a person, and the answer to it.
import type { Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import type { AnswerCall } from '../wire/calls.ts';
import type { RequestView } from '../wire/session.ts';
import { desk } from './desk.ts';
import { decisionText, jsonText } from './event-text.ts';
import { brief, table, visible } from './screen.ts';
import type { World } from './world.ts';

interface AnswerOptions {
  answer?: string;
  deny?: true;
  remember?: true;
}

export function addRequests(program: Command, world: World): void {
  program
    .command('requests')
    .description('list the questions and approvals that wait for a person')
    .action(async (_options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const requests = await server.requests();
      if (screen.json) for (const request of requests) screen.value(request);
      else if (requests.length === 0) screen.note('Nothing waits for a person.');
      else screen.line(table([['REQUEST', 'SESSION', 'KIND', 'TEXT'], ...requests.map(row)]));
    });

  program
    .command('approve [request]')
    .description('answer a request: its id, or how that begins; without one, the only one there is')
    .option('--answer <text>', 'what to say')
    .option('--deny', 'say no')
    .option(
      '--remember',
      'say the same to later requests about the same thing, until the session is put away',
    )
    .action(async (id: string | undefined, options: AnswerOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      const request = chosen(await server.requests(), id);
      if (request.kind === 'question' && options.answer === undefined && !options.deny) {
        throw new SojournError(
          'input.invalid',
          `It is a question, so --answer or --deny is needed: ${request.text}`,
        );
      }
      const call: AnswerCall = {
        decision: options.deny ? 'deny' : 'allow',
        ...(options.answer === undefined ? {} : { answer: options.answer }),
        ...(options.remember ? { remember: true } : {}),
      };
      const result = await server.session(request.key).answer(request.id, call);
      screen.result(
        { request: request.id, ...result },
        () => `${brief(request.text, 100)}\n  ${brief(decisionText({ ...options, ...result }), 100)}`,
      );
    });
}

function chosen(requests: readonly RequestView[], id: string | undefined): RequestView {
  const fitting = id === undefined ? requests : requests.filter((request) => request.id.startsWith(id));
  const [first] = fitting;
  const asked = id === undefined ? '' : ` that begins with ${JSON.stringify(id)}`;
  if (first === undefined) throw new SojournError('request.not_found', `No request${asked} is open`);
  if (fitting.length > 1)
    throw new SojournError('input.invalid', `${fitting.length} are open; name one by its id`);
  return first;
}

function row(request: RequestView): string[] {
  const tool = request.tool ? ` ${request.tool.name} ${jsonText(request.tool.input)}` : '';
  return [request.id, visible(request.key), request.kind, brief(`${request.text}${tool}`, 80)];
}
