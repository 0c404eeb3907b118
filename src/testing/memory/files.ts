// MemoryFiles: the artifacts on a memory disk.
import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { DEFAULT_LIMITS } from '../../kernel/limits.ts';
import type { ArtifactRow, ArtifactStore } from '../../store/store.ts';
import { type MemoryDisk, nameOf } from './disk.ts';

/** `whenOpen` refuses what comes after the store's end. */
export function memoryFiles(
  disk: MemoryDisk,
  clock: Clock,
  whenOpen: <Result>(read: () => Result) => Promise<Result>,
): ArtifactStore {
  return {
    put: (project, bytes) =>
      whenOpen(() => {
        const bytesMax = DEFAULT_LIMITS.artifactBytesMax;
        if (bytes.byteLength > bytesMax)
          throw new SojournError('artifact.too_large', `${bytes.byteLength} bytes; ${bytesMax} are allowed`);
        const digest = createHash('sha256').update(bytes).digest('hex');
        disk.files.set(nameOf(project, digest), { bytes: Uint8Array.from(bytes), putAt: clock.now() });
        return digest;
      }),
    read: (project, digest, start = 0, end) =>
      whenOpen(() => {
        const bytes = disk.files.get(nameOf(project, digest))?.bytes;
        if (bytes === undefined)
          throw new SojournError('artifact.not_found', `There is no artifact ${digest.slice(0, 64)}`);
        const to = end ?? bytes.byteLength;
        if (!(start >= 0 && start <= to && to <= bytes.byteLength))
          throw new SojournError('artifact.range', `${start} to ${to} of ${bytes.byteLength} bytes`);
        return bytes.slice(start, to);
      }),
    remove: (project, digest) =>
      whenOpen(() => {
        disk.files.delete(nameOf(project, digest));
        return true;
      }),
    list: (project, after, limit) =>
      whenOpen(() =>
        [...disk.files]
          .filter(([name]) => projectOf(name) === project)
          .map(([name, { bytes, putAt }]) => ({ digest: digestOf(name), bytes: bytes.byteLength, putAt }))
          .filter(({ digest }) => digest > after)
          .sort((a, b) => (a.digest < b.digest ? -1 : 1))
          .slice(0, limit),
      ),
    removeStrangers: (known, before, limit) =>
      whenOpen(() => {
        const strange = [...disk.files].filter(
          ([name, { putAt }]) => !known.includes(projectOf(name)) && putAt < before,
        );
        for (const [name] of strange.slice(0, limit)) disk.files.delete(name);
        return Math.min(strange.length, limit);
      }),
  };
}

/** What sessions of a project refer to, each once. */
export function artifactsOf(disk: MemoryDisk, project: string): ReadonlyMap<string, ArtifactRow> {
  const sessions = [...disk.sessions.values()].filter(({ row }) => row.project === project);
  return new Map(sessions.flatMap(({ artifacts }) => [...artifacts]));
}

export function bytesOf(artifacts: ReadonlyMap<string, ArtifactRow>): number {
  return [...artifacts.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

const projectOf = (name: string): string => name.slice(0, name.indexOf('\0'));
const digestOf = (name: string): string => name.slice(name.indexOf('\0') + 1);
