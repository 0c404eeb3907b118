// Timeline: what the agents and people of a project post.
//
// What is shown was written by others: it comes out as text (S3 of screen.ts), one post a line where nobody looks.
import { text as textOfStream } from 'node:stream/consumers';
import { InvalidArgumentError, type Command } from 'commander';
import { systemClock } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { IdentityView } from '../wire/identity.ts';
import type { PostQuery, PostView } from '../wire/post.ts';
import { desk, wholeNumber, type Desk } from './desk.ts';
import { COMMAND } from './command-name.ts';
import { EXIT, Quit } from './exit.ts';
import { signInToken } from './place.ts';
import { brief, visible } from './screen.ts';
import type { World } from './world.ts';

interface PostCommand {
  session?: string;
  turn?: string;
  once?: string;
}

interface TimelineCommand {
  follow?: true;
  identity?: string;
  session?: string;
  since?: string;
  until?: string;
  limit: number;
}

const LIMIT = 20;
const NAMED_MAX = 5;
const AGO = /^(\d{1,6})(s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function addTimeline(program: Command, world: World): void {
  program
    .command('post [text...]')
    .description(
      'post on the timeline, as whoever is signed in; the text comes from stdin when it is left out or "-"',
    )
    .option('--session <key>', 'the session it is about')
    .option('--turn <turn>', 'the turn of that session')
    .option('--once <key>', 'an Idempotency-Key: posted twice, it counts once')
    .action(async (words: string[], options: PostCommand, command: Command) => {
      const at = desk(world, command);
      const content =
        words.length === 0 || words.join(' ') === '-' ? await textOfStream(world.stdin) : words.join(' ');
      const signIn = signInToken(world, at.place);
      if (signIn === undefined) {
        throw new SojournError(
          'sign-in.unknown',
          `Nobody is signed in here; \`${COMMAND} sign-in NAME\` signs in`,
        );
      }
      const session =
        options.session === undefined ? undefined : (await at.server.session(options.session).view()).id;
      const post = await at.server.post(content, {
        signIn,
        ...(session === undefined ? {} : { session }),
        ...(options.turn === undefined ? {} : { turn: options.turn }),
        ...(options.once === undefined ? {} : { idempotencyKey: options.once }),
      });
      at.screen.result(post, () => `${post.id}  ${visible(post.author.displayName)}`);
    });

  program
    .command('timeline')
    .description('show the last posts of the project, and with --follow those to come')
    .option('-f, --follow', 'go on as it grows')
    .option('--identity <who>', 'only of this identity: its name as it is shown, or its id')
    .option('--session <key>', 'only about this session')
    .option(
      '--since <time>',
      'only since then: an RFC 3339 time, or how long ago, as in 30m, 12h or 7d',
      timeOf,
    )
    .option('--until <time>', 'only before then, told in the same way', timeOf)
    .option('-n, --limit <count>', 'how many of the last at most', wholeNumber(0), LIMIT)
    .action(async (options: TimelineCommand, command: Command) => {
      await show(world, desk(world, command), options);
    });
}

/** The last ones are asked for first, oldest of them on top; what comes meanwhile has a larger id than all of them. */
async function show(world: World, { screen, server }: Desk, options: TimelineCommand): Promise<void> {
  if (options.follow === true && options.until !== undefined)
    throw new SojournError('input.invalid', '--until has no meaning with --follow');
  const filter = await filterOf(server, options);
  const line = (post: PostView): void => (screen.json ? screen.value(post) : screen.line(postLine(post)));
  const last: PostView[] = [];
  const { head } = await server.postPage({ ...filter, limit: 1 });
  if (options.limit > 0) {
    for await (const post of server.timeline({
      ...filter,
      before: head + 1,
      limit: Math.min(200, options.limit),
    })) {
      last.push(post);
      if (last.length >= options.limit) break;
    }
  }
  for (const post of last.toReversed()) line(post);
  if (options.follow !== true) {
    if (last.length === 0) screen.note('Nothing has been posted.');
    return;
  }
  const stop = new AbortController();
  const unwatch = world.onSignal('SIGINT', () => stop.abort());
  try {
    for await (const post of server.timeline({ ...filter, follow: true, after: head, signal: stop.signal }))
      line(post);
  } catch (error) {
    if (stop.signal.aborted) throw new Quit(EXIT.interrupted);
    throw error;
  } finally {
    unwatch();
  }
}

async function filterOf(
  server: Desk['server'],
  { identity, session, since, until }: TimelineCommand,
): Promise<Pick<PostQuery, 'identity' | 'session' | 'since' | 'until'>> {
  return {
    ...(identity === undefined ? {} : { identity: await identityNamed(server, identity) }),
    ...(session === undefined ? {} : { session: (await server.session(session).view()).id }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

/** By its id, by its display name, or by its name where nobody else has that; case does not matter. */
async function identityNamed(server: Desk['server'], who: string): Promise<string> {
  const wanted = who.normalize('NFC').toLowerCase();
  const named: IdentityView[] = [];
  for await (const identity of server.signIns.identities({ limit: 200 })) {
    if (identity.id === who || identity.displayName.toLowerCase() === wanted) return identity.id;
    if (identity.name.toLowerCase() === wanted) named.push(identity);
  }
  const [only] = named;
  if (only === undefined)
    throw new SojournError('identity.not_found', `Nobody has signed in as ${brief(who, 64)}`);
  if (named.length === 1) return only.id;
  const names = named.slice(0, NAMED_MAX).map(({ displayName }) => JSON.stringify(displayName));
  throw new SojournError(
    'input.invalid',
    `${named.length} are called so, name one of them: ${names.join(', ')}`,
  );
}

function postLine({ id, at, author, content, session }: PostView): string {
  const head = `${String(id).padStart(5)}  ${at.slice(0, 19).replace('T', ' ')}  ${brief(author.displayName, 40)}`;
  return `${head}${session === null ? '' : '  *'}\n       ${brief(content, 280)}`;
}

/** As RFC 3339. */
function timeOf(text: string): string {
  const [, count, unit] = AGO.exec(text) ?? [];
  if (count !== undefined && unit !== undefined)
    return new Date(systemClock.now() - Number(count) * (UNITS[unit] ?? 0)).toISOString();
  if (!Number.isNaN(Date.parse(text))) return new Date(text).toISOString();
  throw new InvalidArgumentError('It must be a time, or how long ago, as in 30m, 12h or 7d.');
}
