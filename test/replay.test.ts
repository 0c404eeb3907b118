// The replay as a test: a recorded run of an agent through a small window.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { replay } from '../examples/12-working-set/replay.ts';

test('a recorded run of a coding agent fits a small window, and all that left it is read back as it was', async () => {
  const above = mkdtempSync(join(tmpdir(), 'sojourn-replay-'));
  const name = 'function_calling_replace_from_source__marshmallow-1867.traj';
  const file = fileURLToPath(new URL(`data/trajectories/${name}`, import.meta.url));
  try {
    const sum = await replay({
      files: [file],
      folder: () => mkdtempSync(join(above, 'run-')),
      windowTokens: 8_000,
    });

    expect(sum.steps).toHaveLength(13);
    for (const { sent, whole } of sum.steps) expect(sent).toBeLessThanOrEqual(Math.min(whole, 0.95 * 8_000));
    expect(sum.whole).toBeGreaterThan(50_000);
    expect(sum.sent).toBeLessThan(0.7 * sum.whole);
    expect(sum.compactions).toBeGreaterThan(0);
    expect(sum.refs).toBeGreaterThan(3);
    expect(sum.bytes).toBeGreaterThan(8_000);
    expect(sum.wrong).toEqual([]);
  } finally {
    rmSync(above, { recursive: true, force: true });
  }
});
