// Tokens: who may speak to the server.
import { Option, type Command } from 'commander';
import { SCOPES, type Scope } from '../wire/access.ts';
import type { TokenCall } from '../wire/calls.ts';
import { desk } from './desk.ts';
import { table, visible } from './screen.ts';
import type { World } from './world.ts';

interface AddOptions {
  scope: Scope[];
  owner?: string;
  expires?: string;
}

export function addTokens(program: Command, world: World): void {
  const tokens = program.command('token').description('list, add and remove tokens');

  tokens
    .command('ls')
    .description('list the tokens of the project')
    .action(async (_options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const all = await server.tokens();
      if (screen.json) {
        for (const token of all) screen.value(token);
        return;
      }
      const rows = all.map((token) => [
        token.id,
        visible(token.name),
        token.scopes.join(','),
        token.owner ?? '',
        token.expiresAt ?? 'never',
      ]);
      screen.line(table([['ID', 'NAME', 'SCOPES', 'OWNER', 'EXPIRES'], ...rows]));
    });

  tokens
    .command('add <name>')
    .description('make a token; its secret is shown this once')
    .addOption(
      new Option('-s, --scope <scope...>', 'what it may do')
        .choices(SCOPES)
        .default(['read', 'send'], 'read and send'),
    )
    .option('--owner <owner>', 'speak as this owner only')
    .option('--expires <time>', 'until when, as RFC 3339')
    .action(async (name: string, options: AddOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      const call: TokenCall = {
        name,
        scopes: options.scope,
        ...(options.owner === undefined ? {} : { owner: options.owner }),
        ...(options.expires === undefined ? {} : { expiresAt: options.expires }),
      };
      const token = await server.addToken(call);
      screen.result(token, () => token.secret);
      screen.note('It is not shown again.');
    });

  tokens
    .command('rm <id>')
    .description('revoke a token; its open streams end')
    .action(async (id: string, _options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      await server.removeToken(id);
      screen.result({ removed: id }, () => 'removed');
    });
}
