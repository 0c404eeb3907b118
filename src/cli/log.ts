// Log: tail.
import type { Command } from 'commander';
import type { Event } from '../wire/event.ts';
import { desk, wholeNumber } from './desk.ts';
import { eventLine } from './event-text.ts';
import type { World } from './world.ts';

interface TailOptions {
  after: number;
  follow: boolean;
  untilIdle?: true;
}

export function addLog(program: Command, world: World): void {
  program
    .command('tail <key>')
    .description('show the log of a session, and go on as it grows')
    .option('--after <seq>', 'begin after this event', wholeNumber(0), 0)
    .option('--no-follow', 'stop at its present end')
    .option('--until-idle', 'stop when nothing runs or waits')
    .action(async (key: string, options: TailOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      const session = server.session(key);
      const { after, follow, untilIdle } = options;
      const events: AsyncIterable<Event> = follow
        ? session.follow({ after, ...(untilIdle ? { until: 'idle' } : {}) })
        : session.history({ after });
      for await (const event of events) {
        if (screen.json) screen.value(event);
        else screen.line(eventLine(event));
      }
    });
}
