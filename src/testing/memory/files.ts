// MemoryFiles: the artifacts on a memory disk.
import { createHash } from 'node:crypto';
import { SojournError } from '../../kernel/errors.ts';
import { DEFAULT_LIMITS } from '../../kernel/limits.ts';
import type { ArtifactStore } from '../../store/store.ts';
import { type MemoryDisk, nameOf } from './disk.ts';

/** `whenOpen` refuses what comes after the store's end. */
export function memoryFiles(
  disk: MemoryDisk,
  whenOpen: <Result>(read: () => Result) => Promise<Result>,
): ArtifactStore {
  return {
    put: (project, bytes) =>
      whenOpen(() => {
        const bytesMax = DEFAULT_LIMITS.artifactBytesMax;
        if (bytes.byteLength > bytesMax)
          throw new SojournError('artifact.too_large', `${bytes.byteLength} bytes; ${bytesMax} are allowed`);
        const digest = createHash('sha256').update(bytes).digest('hex');
        disk.files.set(nameOf(project, digest), Uint8Array.from(bytes));
        return digest;
      }),
    read: (project, digest, start = 0, end) =>
      whenOpen(() => {
        const bytes = disk.files.get(nameOf(project, digest));
        if (bytes === undefined)
          throw new SojournError('artifact.not_found', `There is no artifact ${digest.slice(0, 64)}`);
        const to = end ?? bytes.byteLength;
        if (!(start >= 0 && start <= to && to <= bytes.byteLength))
          throw new SojournError('artifact.range', `${start} to ${to} of ${bytes.byteLength} bytes`);
        return bytes.slice(start, to);
      }),
    remove: (project, digest) => whenOpen(() => void disk.files.delete(nameOf(project, digest))),
  };
}
