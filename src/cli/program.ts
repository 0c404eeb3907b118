// Program: the command line, from its words to an exit code.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import { addBackup } from './backup.ts';
import { addChat } from './chat.ts';
import { addCopies } from './copies.ts';
import { addDoctor } from './doctor.ts';
import { EXIT, EXIT_HELP, exitCodeOf, Quit, type ExitCode } from './exit.ts';
import { addInit } from './init.ts';
import { addLog } from './log.ts';
import { addMcp } from './mcp.ts';
import { addOverview } from './overview.ts';
import { addRead } from './read.ts';
import { refusedFile } from './refused-file.ts';
import { addRequests } from './requests.ts';
import { Screen } from './screen.ts';
import { addSend } from './send.ts';
import { addSessions } from './sessions.ts';
import { addSignIn } from './sign-in.ts';
import { addStart } from './start.ts';
import { addTimeline } from './timeline.ts';
import { addTokens } from './tokens.ts';
import { addTree } from './tree.ts';
import type { World } from './world.ts';

/** `words` are those after the program's name. Never rejects. */
export async function run(words: readonly string[], world: World): Promise<ExitCode> {
  const program = programOf(world);
  try {
    await program.parseAsync([...words], { from: 'user' });
    return EXIT.ok;
  } catch (thrown) {
    return codeOf(thrown, new Screen(world, words.includes('--json')));
  }
}

function programOf(world: World): Command {
  const program = new Command('sojourn')
    .description('The session runtime for AI agents.')
    .version(version())
    .option('--json', 'machine-readable output: JSON values, one a line')
    .option('--url <url>', 'the server')
    .option('--data <folder>', 'the data folder')
    .option('--project <name>', 'act in this project; needs scope admin')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => void world.stderr.write(text),
    })
    .addHelpText('after', EXIT_HELP)
    .showHelpAfterError('(--help shows how it is used)')
    .exitOverride();
  addStart(program, world);
  addInit(program, world);
  addSend(program, world);
  addChat(program, world);
  addSessions(program, world);
  addCopies(program, world);
  addTree(program, world);
  addRead(program, world);
  addLog(program, world);
  addRequests(program, world);
  addSignIn(program, world);
  addTimeline(program, world);
  addTokens(program, world);
  addMcp(program, world);
  addOverview(program, world);
  addBackup(program, world);
  addDoctor(program, world);
  return program;
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function codeOf(thrown: unknown, screen: Screen): ExitCode {
  if (thrown instanceof Quit) return thrown.code;
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const error =
    thrown instanceof SojournError
      ? thrown
      : (refusedFile(thrown) ??
        new SojournError(
          'internal',
          thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
        ));
  screen.error(error);
  return exitCodeOf(error);
}
