// OpenFolder: a folder on the way to an artifact, held so that nobody can put another in its place meanwhile.
//
//   OF1. It is opened by itself, never through a link; what is in it is looked up from the open folder, not by its path.
//   OF2. Where the system has no names for open folders, it is looked at instead, before it is used.
import { constants, existsSync } from 'node:fs';
import { lstat, mkdir, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged } from './folder.ts';

/** OF1. */
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const HANDLES = '/proc/self/fd';

export class OpenFolder {
  /** What names in it are looked up from. */
  readonly path: string;
  readonly #handle: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle | undefined) {
    this.path = handle === undefined ? path : `${HANDLES}/${handle.fd}`;
    this.#handle = handle;
  }

  /** Throws `store.damaged` for what is no folder, and what the system throws for what is not there. */
  static async open(path: string): Promise<OpenFolder> {
    if (process.platform === 'linux' && existsSync(HANDLES)) {
      const handle = await open(path, FOLDER).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'ELOOP' || error.code === 'ENOTDIR' ? notAFolder(path) : error;
      });
      return new OpenFolder(path, handle);
    }
    if (!(await lstat(path)).isDirectory()) throw notAFolder(path); // OF2
    return new OpenFolder(path, undefined);
  }

  inner(name: string): Promise<OpenFolder> {
    return OpenFolder.open(join(this.path, name));
  }

  /** Made where it is missing, so that it survives a power loss. */
  async innerMade(name: string): Promise<OpenFolder> {
    const path = join(this.path, name);
    const isNew = await mkdir(path, { mode: 0o700 }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return false;
      },
    );
    if (isNew) await this.sync();
    return OpenFolder.open(path);
  }

  /** Some systems cannot sync a folder; they keep names by themselves. */
  async sync(): Promise<void> {
    const handle = this.#handle ?? (await open(this.path, 'r').catch(() => undefined));
    try {
      await handle?.sync();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EIO') throw error;
    } finally {
      if (this.#handle === undefined) await handle?.close();
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

const notAFolder = (path: string): Error => damaged(path, 'it is not a folder');
