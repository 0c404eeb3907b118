// InPlace: whether the files that this process holds open are still the ones that lie in the data folder.
//
//   IP1. What is written to a file that was removed or replaced is gone when the process ends: it must not be acknowledged.
//   IP2. Without its lock file the folder may have another owner by now.
import { lstatSync } from 'node:fs';
import { databaseFile, lockFile } from './folder.ts';

interface Held {
  path: string;
  /** Undefined where there was none. */
  file: string | undefined;
}

export class InPlace {
  readonly #held: readonly Held[];

  /** All of them must be open by now. */
  constructor(folder: string) {
    const database = databaseFile(folder);
    const paths = [database, `${database}-wal`, lockFile(folder)];
    // On Windows nobody can remove what is open.
    this.#held = process.platform === 'win32' ? [] : paths.map((path) => ({ path, file: fileAt(path) }));
  }

  /** The first that is not there any more. */
  lost(): string | undefined {
    return this.#held.find(({ path, file }) => fileAt(path) !== file)?.path;
  }
}

function fileAt(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev} ${stat.ino}`;
}
