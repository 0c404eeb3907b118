// Scratch: a data folder that goes when the example ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-example-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
