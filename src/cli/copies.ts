// Copies: export and import. A session as a file, and a file, of ours or of another agent, as a session.
//
//   CO1. A file is never written over, and none is left that was not written to its end.
//   CO2. What goes over the wire is read and written in pieces, at the pace of the slower side.
import { rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable, Transform, type Writable } from 'node:stream';
import type { ReadableStream as NodeWebStream } from 'node:stream/web';
import { pipeline } from 'node:stream/promises';
import { Option, type Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import { IMPORT_FORMATS, type ImportCall, type ImportedSession, type ImportSummary } from '../wire/calls.ts';
import { desk } from './desk.ts';
import { counted, sizeText } from './figure.ts';
import { progressBar } from './progress.ts';
import { codeOf, unusable } from './refused-file.ts';
import { brief, visible, type Screen } from './screen.ts';
import type { World } from './world.ts';

/** A smaller file is taken before anybody could read how far it is. */
const TOLD_BYTES_MIN = 4 * 1_024 * 1_024;

export function addCopies(program: Command, world: World): void {
  program
    .command('export <key>')
    .description('write the log of a session as JSON lines, artifacts included')
    .option('-o, --output <file>', 'into this file, which must not exist; stdout without it')
    .action(async (key: string, options: { output?: string }, command: Command) => {
      const { screen, server } = desk(world, command);
      const lines = Readable.fromWeb((await server.session(key).export()) as NodeWebStream<Uint8Array>);
      if (options.output === undefined) return pipeline(lines, world.stdout, { end: false });
      const file = resolve(world.cwd, options.output);
      await save(lines, file);
      screen.note(`Written to ${file}`);
    });

  program
    .command('import <key> [file]')
    .description('make a session of an export, or of a log of another agent; stdin without a file')
    .addOption(
      new Option('--format <format>', 'what the file is; told by its content unless given').choices([
        'auto',
        ...IMPORT_FORMATS,
      ]),
    )
    .option('--agent <name>', 'who goes on with the session')
    .option('--turn-per-step', 'each call of the model in another agent’s log becomes a turn')
    .action(async (key: string, file: string | undefined, options: ImportCall, command: Command) => {
      const { screen, server } = desk(world, command);
      const { format, agent, turnPerStep } = options;
      const call: ImportCall = {
        ...(format === undefined ? {} : { format }),
        ...(agent === undefined ? {} : { agent }),
        ...(turnPerStep === undefined ? {} : { turnPerStep }),
      };
      const bar = progressBar(screen, world);
      try {
        const body = await bodyOf(world, file, (done, all) => bar.show(done, all));
        const session = await server.session(key).import(body, call);
        bar.end();
        screen.result(session, () => importedText(session));
        remarks(screen, session.imported);
      } finally {
        bar.end();
      }
    });
}

/** CO1. */
async function save(lines: Readable, file: string): Promise<void> {
  const sink: Writable = (await opened(file, 'wx')).createWriteStream();
  try {
    await pipeline(lines, sink);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}

/** What it makes holds all that was said, so nobody else may read it. */
async function opened(file: string, flags: 'r' | 'wx'): Promise<FileHandle> {
  try {
    return await open(file, flags, 0o600);
  } catch (cause) {
    if (flags === 'wx' && codeOf(cause) === 'EEXIST')
      throw new SojournError('input.invalid', `The file ${file} is there already`, { cause });
    throw unusable(file, cause);
  }
}

/** CO2. Tells how much of it has gone, where that is known. */
async function bodyOf(
  world: World,
  file: string | undefined,
  tell: (done: number, all: number) => void,
): Promise<ReadableStream<Uint8Array>> {
  if (file === undefined || file === '-') return Readable.toWeb(world.stdin) as ReadableStream<Uint8Array>;
  const path = resolve(world.cwd, file);
  const handle = await opened(path, 'r');
  const found = await handle.stat();
  if (found.isDirectory()) {
    await handle.close();
    throw new SojournError('input.invalid', `${path} is a folder: name a file in it`);
  }
  const { size } = found;
  let done = 0;
  const told = new Transform({
    transform(piece: Uint8Array, _encoding, next) {
      done += piece.byteLength;
      if (size >= TOLD_BYTES_MIN) tell(done, size);
      next(null, piece);
    },
  });
  const source = handle.createReadStream();
  source.on('error', (cause) => told.destroy(unusable(path, cause)));
  return Readable.toWeb(source.pipe(told)) as ReadableStream<Uint8Array>;
}

function importedText({ key, agent, imported }: ImportedSession): string {
  const { format, turns, calls, events, artifacts, offloadedBytes } = imported;
  const moved = artifacts === 0 ? '' : `, ${sizeText(offloadedBytes)} in ${counted(artifacts, 'artifact')}`;
  const what = `${counted(turns, 'turn')}, ${counted(calls, 'call')}, ${counted(events, 'event')}${moved}`;
  return `${visible(key)} is a session of ${visible(agent)} now, from ${format}: ${what}`;
}

/** What is not in the session, so that nobody has to wonder. */
function remarks(screen: Screen, { leftOut, notUnderstood }: ImportSummary): void {
  const left = Object.entries(leftOut).map(([kind, count]) => `${count} ${brief(kind, 40)}`);
  if (left.length > 0) screen.note(`No part of the conversation: ${left.join(', ')}.`);
  const { count, samples } = notUnderstood;
  if (count === 0) return;
  screen.note(`${counted(count, 'place')} could not be understood:`);
  for (const { at, text } of samples) screen.note(`  ${brief(at, 60)}: ${brief(text, 200)}`);
  if (count > samples.length) screen.note(`  and ${count - samples.length} more`);
}
