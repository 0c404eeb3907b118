// Backup: a consistent copy of a data folder, also while a server uses it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import { shellWord, START } from './command-name.ts';
import { dataFolder, type PlaceOptions } from './place.ts';
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

const BAR_CHARS = 30;

/** On a terminal a bar that fills; elsewhere a line at each quarter. */
function progressBar(screen: Screen, world: World): { show(done: number, all: number): void; end(): void } {
  const { stderr } = world;
  if (screen.json) return { show() {}, end() {} };
  if (!stderr.isTTY) {
    let quarter = 0;
    return {
      show(done, all) {
        const reached = Math.floor((4 * done) / Math.max(1, all));
        if (reached > quarter) stderr.write(`${reached * 25}% of ${sizeText(all)}\n`);
        quarter = Math.max(quarter, reached);
      },
      end() {},
    };
  }
  return {
    show(done, all) {
      const filled = Math.round((BAR_CHARS * done) / Math.max(1, all));
      const bar = '█'.repeat(filled) + '░'.repeat(BAR_CHARS - filled);
      stderr.write(`\r${bar} ${sizeText(done)} of ${sizeText(all)} `);
    },
    end: () => void stderr.write('\r\u001b[K'),
  };
}

function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1_024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}
