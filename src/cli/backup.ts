// Backup: a consistent copy of a data folder, also while a server uses it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import { shellWord, START } from './command-name.ts';
import { sizeText } from './figure.ts';
import { dataFolder, type PlaceOptions } from './place.ts';
import { progressBar } from './progress.ts';
import { Screen } from './screen.ts';
import type { World } from './world.ts';

export function addBackup(program: Command, world: World): void {
  program
    .command('backup <folder>')
    .description('copy the data folder into a new folder, while the server runs or not')
    .action(async (target: string, _options: object, command: Command) => {
      const place = command.optsWithGlobals<PlaceOptions>();
      const screen = new Screen(world, place.json === true);
      const { backupFolder } = await import('../store/sqlite/backup.ts');
      const { databaseFile } = await import('../store/sqlite/folder.ts');
      const from = dataFolder(world, place);
      const to = resolve(world.cwd, target);
      if (!existsSync(databaseFile(from))) {
        throw new SojournError(
          'config.invalid',
          `${from} is no data folder; --data or SOJOURN_DATA names one`,
        );
      }
      const bar = progressBar(screen, world);
      await backupFolder(from, to, (done, all) => bar.show(done, all));
      bar.end();
      const bytes = bytesIn(to);
      screen.result({ from, to, bytes }, () => `${sizeText(bytes)} copied to ${to}`);
      screen.note(
        `To start from it: SOJOURN_DATA=${shellWord(to)} ${START} (it holds no token; that makes one)`,
      );
    });
}

/** What stands in the copy. Its progress is told only while it lasts, and a small one is made in one step. */
function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}
