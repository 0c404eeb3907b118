// Send: one message, and what the agent says to it.
//
// On a terminal the words appear as they are said. Elsewhere the reply is written once, when the turn is over, so that
// a script never reads what an attempt that died had said.
import { readFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { RemoteSession, SendCall } from '../client/client.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Event } from '../wire/event.ts';
import type { FilePart, InputPart } from '../wire/message.ts';
import { MILESTONES, type Milestone } from '../wire/post.ts';
import { POLICIES, TURN_KINDS, type Outcome, type Policy, type TurnKind } from '../wire/turn.ts';
import { COMMAND, shellWord } from './command-name.ts';
import { desk, wholeNumber } from './desk.ts';
import { eventSummary, receiptText } from './event-text.ts';
import { EXIT, Quit } from './exit.ts';
import { unusable } from './refused-file.ts';
import { Reply } from './reply.ts';
import { brief, visible, type Screen } from './screen.ts';
import type { World } from './world.ts';

interface SendOptions {
  policy?: Policy;
  agent?: string;
  kind?: TurnKind;
  channel: string;
  deadline?: number;
  file?: string[];
  once?: string;
  posts?: Milestone[];
  ask: boolean;
  wait: boolean;
}

export function addSend(program: Command, world: World): void {
  program
    .command('send <key> [text...]')
    .description('send a message and show the reply; the text comes from stdin when it is left out or "-"')
    .addOption(
      new Option('-p, --policy <policy>', 'when a turn runs already; queue unless given').choices(POLICIES),
    )
    .option('--agent <name>', 'the agent, when this makes the session')
    .addOption(new Option('--kind <kind>', 'the kind of turn').choices(TURN_KINDS))
    .option('--channel <name>', 'where the message comes from', 'cli')
    .option('--deadline <ms>', 'how long the turn may take', wholeNumber(1))
    .option(
      '-f, --file <path>',
      'attach this file; may be given more than once',
      (path: string, paths: string[] | undefined) => [...(paths ?? []), path],
    )
    .option('--once <key>', 'an Idempotency-Key: sent twice, the message counts once')
    .option(
      '--posts <what>',
      'what the session posts on the timeline, when this makes it: turn, child, budget',
      milestonesOf,
    )
    .option('--no-ask', 'nobody can answer: deny what the agent asks')
    .option('--no-wait', 'end when the message is durable, with the receipt')
    .action(async (key: string, words: string[], options: SendOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      const input = await inputOf(world, words, options.file ?? []);
      const call = sendCall(options);
      const { agent, posts } = options;
      if (posts !== undefined)
        await server.session(key).open({ posts, ...(agent === undefined ? {} : { agent }) });
      if (!options.wait) {
        const receipt = await server.session(key).send(input, call);
        screen.result(receipt, () => receiptText(receipt));
        return;
      }
      await showReply(world, screen, server.session(key), input, call);
    });
}

async function showReply(
  world: World,
  screen: Screen,
  session: RemoteSession,
  input: readonly InputPart[],
  call: SendCall,
): Promise<void> {
  const stop = new AbortController();
  const unwatch = world.onSignal('SIGINT', () => stop.abort());
  const reply = new Reply();
  const key = shellWord(session.key);
  let accepted = false;
  let outcome: Outcome | undefined;
  try {
    const events = session.stream(input, {
      ...call,
      signal: stop.signal,
      onReceipt: (receipt) => {
        accepted = true;
        if (screen.json) screen.value(receipt);
        else screen.note(receiptText(receipt));
      },
    });
    for await (const event of events) {
      const before = reply.text;
      const added = reply.add(event);
      if (screen.json) screen.value(event);
      else if (screen.stdout.isTTY) screen.write(visible(added));
      remark(screen, session.key, event, before);
      if (event.kind === 'turn.ended') outcome = event.body.outcome;
    }
  } catch (error) {
    if (accepted && SojournError.is(error, 'server.unreachable')) {
      screen.note(`\nThe message is kept. When the server is back: ${COMMAND} show ${key}`);
    }
    if (!stop.signal.aborted) throw error;
    screen.note(`\nThe turn goes on; \`${COMMAND} cancel ${key}\` stops it.`);
    throw new Quit(EXIT.interrupted);
  } finally {
    unwatch();
  }
  if (!screen.json) screen.line(screen.stdout.isTTY ? '' : visible(reply.text));
  if (outcome !== 'completed') throw new Quit(EXIT.failure);
}

/** What happens besides the words. */
function remark(screen: Screen, key: string, event: Event, before: string): void {
  switch (event.kind) {
    case 'turn.started':
      if (event.body.attempt > 1 && before !== '')
        screen.note(`\nattempt ${event.body.attempt}: it ${event.body.goesOn ? 'goes on' : 'begins anew'}`);
      return;
    case 'tool.called':
    case 'tool.returned':
    case 'child.started':
    case 'child.ended':
    case 'context.compacted':
      screen.note(`${event.kind}: ${eventSummary(event)}`);
      return;
    case 'request.opened':
      screen.note(`waits for a person: ${brief(event.body.text, 200)}`);
      screen.note(
        `  ${COMMAND} approve ${event.body.request} ${event.body.kind === 'question' ? '--answer TEXT' : '[--deny]'}`,
      );
      return;
    case 'turn.requeued':
      screen.note(`the running turn did not take it: it is turn ${event.body.turn} now`);
      return;
    case 'turn.ended':
      if (event.body.outcome !== 'completed') screen.warn(`turn ${key}: ${eventSummary(event)}`);
      return;
    default:
  }
}

function sendCall(options: SendOptions): SendCall {
  const { policy, agent, kind, channel, deadline, once, ask } = options;
  return {
    channel,
    ...(policy === undefined ? {} : { policy }),
    ...(agent === undefined ? {} : { agent }),
    ...(kind === undefined ? {} : { kind }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(once === undefined ? {} : { idempotencyKey: once }),
    ...(ask ? {} : { canAsk: false }),
  };
}

/** For commander. */
function milestonesOf(text: string): Milestone[] {
  const words = text.split(',').map((word) => word.trim());
  const asked = MILESTONES.filter((milestone) => words.includes(milestone));
  if (words.every((word) => MILESTONES.some((milestone) => milestone === word))) return asked;
  throw new InvalidArgumentError(`It must be some of ${MILESTONES.join(', ')}, with commas between.`);
}

async function inputOf(
  world: World,
  words: readonly string[],
  files: readonly string[],
): Promise<readonly InputPart[]> {
  const given = words.join(' ');
  const fromStdin = given === '-' || (given === '' && files.length === 0);
  const nothing = (): SojournError =>
    new SojournError('input.invalid', 'There is no text to send: write it behind the key, or pipe it in');
  if (fromStdin && world.stdin.isTTY) throw nothing();
  const text = fromStdin ? (await textOfStream(world.stdin)).replace(/\r?\n$/, '') : given;
  if (text === '' && files.length === 0) throw nothing();
  const attached = await Promise.all(files.map((file) => filePart(resolve(world.cwd, file))));
  return text === '' ? attached : [{ type: 'text', text }, ...attached];
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.txt': 'text/plain',
  '.md': 'text/markdown',
  '.csv': 'text/csv',
  '.json': 'application/json',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
};

async function filePart(file: string): Promise<FilePart> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw unusable(file, cause);
  }
  const mediaType = MEDIA_TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream';
  return { type: 'file', mediaType, name: basename(file), data: bytes.toString('base64') };
}
