// Log: tail, export, import.
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import type { ReadableStream as NodeWebStream } from 'node:stream/web';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import type { Event } from '../wire/event.ts';
import { desk, wholeNumber } from './desk.ts';
import { eventLine } from './event-text.ts';
import { visible } from './screen.ts';
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

  program
    .command('export <key>')
    .description('write the log of a session as JSON lines, artifacts included')
    .option('-o, --output <file>', 'into this file, which must not exist; stdout without it')
    .action(async (key: string, options: { output?: string }, command: Command) => {
      const { screen, server } = desk(world, command);
      const lines = await server.session(key).export();
      const file = options.output === undefined ? undefined : resolve(world.cwd, options.output);
      const sink: Writable =
        file === undefined ? world.stdout : (await opened(file, 'wx')).createWriteStream();
      await pipeline(Readable.fromWeb(lines as NodeWebStream<Uint8Array>), sink, { end: file !== undefined });
      if (file !== undefined) screen.note(`Written to ${file}`);
    });

  program
    .command('import <key> [file]')
    .description('take an export back as a new session under this key; stdin without a file')
    .action(async (key: string, file: string | undefined, _options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const source =
        file === undefined || file === '-'
          ? world.stdin
          : (await opened(resolve(world.cwd, file), 'r')).createReadStream();
      const session = await server.session(key).import(Readable.toWeb(source) as ReadableStream<Uint8Array>);
      screen.result(session, () => `${visible(session.key)} has ${session.headSeq} events`);
    });
}

/** What it makes holds all that was said, so nobody else may read it. */
async function opened(file: string, flags: 'r' | 'wx'): Promise<FileHandle> {
  try {
    return await open(file, flags, 0o600);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'EEXIST' ? 'is there already' : 'cannot be opened';
    throw new SojournError('input.invalid', `The file ${file} ${why}`, { cause });
  }
}
