// Sign-in: speaking as somebody, and who there is to speak.
//
//   SI1. The secret of a sign-in is kept beside the server's token (P3 of place.ts) and not shown, unless it is asked for
//        or there is no folder to keep it in.
import { existsSync, rmSync } from 'node:fs';
import type { Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import type { IdentityView, NewSignInView } from '../wire/identity.ts';
import { COMMAND } from './command-name.ts';
import { desk, type Desk } from './desk.ts';
import { writeOwn } from './own-file.ts';
import { dataFolder, signInFile, signInToken } from './place.ts';
import { brief, table } from './screen.ts';
import type { World } from './world.ts';

interface IdentitiesOptions {
  give?: string;
  owner?: string;
  remove?: string;
}

interface SignInOptions {
  context?: string;
  claim?: true;
  show?: true;
}

export function addSignIn(program: Command, world: World): void {
  program
    .command('sign-in <name>')
    .description('speak as an identity: made at its first sign-in, found again by the next')
    .option('--context <text>', 'tells apart those who share the name')
    .option('--claim', "let nobody speak as it but the owner of this call's token")
    .option('--show', 'show the secret instead of keeping it in the data folder')
    .action(async (name: string, options: SignInOptions, command: Command) => {
      const at = desk(world, command);
      const signIn = await at.server.signIns.signIn({
        name,
        ...(options.context === undefined ? {} : { context: options.context }),
        ...(options.claim === undefined ? {} : { claim: true }),
      });
      keep(world, at, signIn, options.show === true);
    });

  program
    .command('sign-out [id]')
    .description("end the sign-in that is kept here, or somebody's by its id")
    .action(async (id: string | undefined, _options: object, command: Command) => {
      const at = desk(world, command);
      if (id === undefined) await signOut(world, at);
      else {
        await at.server.signIns.end(id);
        at.screen.result({ ended: id }, () => 'ended');
      }
    });
  addLists(program, world);
}

function addLists(program: Command, world: World): void {
  program
    .command('sign-ins')
    .description('list the live sign-ins, newest first')
    .action(async (_options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const { signIns, live } = await server.signIns.page({ limit: 200 });
      if (screen.json) for (const signIn of signIns) screen.value(signIn);
      else if (live === 0) screen.note('Nobody is signed in.');
      else {
        const rows = signIns.map(({ id, identity, lastActiveAt, expiresAt }) => [
          id,
          brief(identity.displayName, 60),
          timeText(lastActiveAt),
          timeText(expiresAt),
        ]);
        screen.line(table([['ID', 'WHO', 'ACTIVE', 'UNTIL'], ...rows]));
        if (live > signIns.length) screen.note(`And ${live - signIns.length} more.`);
      }
    });

  program
    .command('identities')
    .description('list who has signed in, newest first; or change one of them')
    .option('--give <id>', 'let nobody speak as this one but --owner; without that, everybody')
    .option('--owner <owner>', 'who it is given to')
    .option('--remove <id>', 'remove this one, and end its sign-ins; what it posted stays')
    .action(async (options: IdentitiesOptions, command: Command) => {
      const at = desk(world, command);
      const { screen, server } = at;
      if (options.give !== undefined || options.owner !== undefined || options.remove !== undefined) {
        await changeIdentity(at, options);
        return;
      }
      const rows: string[][] = [];
      for await (const identity of server.signIns.identities({ limit: 200 })) {
        if (screen.json) screen.value(identity);
        else rows.push(row(identity));
      }
      if (screen.json) return;
      if (rows.length === 0) screen.note('Nobody has signed in.');
      else screen.line(table([['ID', 'NAME', 'CONTEXT', 'ACTIVE', 'OWNER'], ...rows]));
    });
}

async function changeIdentity(
  { screen, server }: Desk,
  { give, owner, remove }: IdentitiesOptions,
): Promise<void> {
  if (give !== undefined && remove === undefined) {
    const given = await server.signIns.giveIdentity(give, owner ?? null);
    screen.result(given, () => (given.owner === null ? "everybody's" : `${brief(given.owner, 64)}'s alone`));
  } else if (remove !== undefined && give === undefined && owner === undefined) {
    await server.signIns.removeIdentity(remove);
    screen.result({ removed: remove }, () => 'removed');
  } else {
    throw new SojournError('input.invalid', 'Either --give ID, with or without --owner, or --remove ID');
  }
}

/** SI1. */
function keep(world: World, { screen, place }: Desk, signIn: NewSignInView, isShown: boolean): void {
  const folder = dataFolder(world, place);
  const isKept = !isShown && existsSync(folder);
  if (isKept) writeOwn(signInFile(folder), `${signIn.token}\n`);
  const { token, ...rest } = signIn;
  screen.result(isKept ? rest : signIn, () => (isKept ? brief(rest.identity.displayName, 400) : token));
  const minutes = Math.round(signIn.idleMsMax / 60_000);
  const until = `Until ${timeText(signIn.expiresAt)}, or ${minutes} min without use.`;
  screen.note(isKept ? until : `${until} It is not shown again; SOJOURN_SIGN_IN names it.`);
}

async function signOut(world: World, { screen, server, place }: Desk): Promise<void> {
  const token = signInToken(world, place);
  if (token === undefined) {
    throw new SojournError(
      'sign-in.unknown',
      `Nobody is signed in here; \`${COMMAND} sign-in NAME\` signs in`,
    );
  }
  const isEnded = await server.signIns.signOut(token);
  if (!world.env.SOJOURN_SIGN_IN) rmSync(signInFile(dataFolder(world, place)), { force: true });
  screen.result({ signedOut: isEnded }, () => (isEnded ? 'signed out' : 'It was over already.'));
}

function row({ id, name, context, lastActiveAt, owner }: IdentityView): string[] {
  return [id, brief(name, 40), brief(context ?? '', 40), timeText(lastActiveAt), brief(owner ?? '', 40)];
}

const timeText = (at: string): string => at.slice(0, 19).replace('T', ' ');
