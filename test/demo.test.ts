// The demo as a test: many users, real conversations, a server killed in the middle of turns.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runDemo } from '../examples/08-mt-bench/demo.ts';

test(
  '80 conversations survive five kill -9: nothing lost, nothing doubled, every answer word for word',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-demo-'));
    try {
      const sum = await runDemo({ folder, sessions: 80, kills: 5, wordMs: 8 });

      expect(sum).toMatchObject({ turns: 160, turnsEnded: 160, kills: 5, acknowledged: 160 });
      expect(sum).toMatchObject({ exact: 160, missing: 0, doubleOutcomes: 0, gaps: 0, repeated: 0 });
      expect(sum.attemptsMax).toBeGreaterThan(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
