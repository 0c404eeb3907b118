// Refused file: what the machine says about a path, told as what it is. It is no defect of ours, and no stack mends it.
import { SojournError } from '../kernel/errors.ts';

const RIGHTS = 'this user may not use it; give the right to, or choose another place';
const IN_THE_WAY = 'a file is in the way; move it, or choose another place';
const WHY: Readonly<Record<string, string>> = {
  EACCES: RIGHTS,
  EPERM: RIGHTS,
  EROFS: 'it is on a disk that is read-only; choose another place',
  ENOSPC: 'the disk is full; free some space, or choose another place',
  ENOENT: 'it is not there',
  ENOTDIR: IN_THE_WAY,
  EEXIST: IN_THE_WAY,
  EISDIR: 'it is a folder, and a file is meant',
};

/** Of a file that the caller named for its content. */
export function unusable(file: string, cause: unknown): SojournError {
  const code = codeOf(cause);
  return new SojournError(
    'input.invalid',
    `The file ${file} cannot be used (${code}): ${WHY[code] ?? 'reading it failed'}`,
    { cause },
  );
}

export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown';
}

/** Undefined for anything else than a path that was refused. */
export function refusedFile(thrown: unknown): SojournError | undefined {
  if (!(thrown instanceof Error) || !('path' in thrown)) return undefined;
  const code = codeOf(thrown);
  const why = WHY[code];
  if (why === undefined) return undefined;
  return new SojournError('config.invalid', `${String(thrown.path)} (${code}): ${why}`, {
    cause: thrown,
  });
}
