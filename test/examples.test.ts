// Every numbered example runs as a reader would run it, and prints what its last lines say.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const folder = new URL('../examples/', import.meta.url);
const examples = readdirSync(folder).filter((name) => /^\d\d-.*\.ts$/.test(name));
const run = promisify(execFile);

describe('the numbered examples', () => {
  test.each(examples)('%s prints what it says', { timeout: 30_000 }, async (name) => {
    const file = new URL(name, folder);
    const [, printed = ''] = readFileSync(file, 'utf8').split('// prints:\n');
    const wanted = printed.replaceAll(/^\/\/ ?/gm, '').trim();

    const { stdout } = await run(process.execPath, ['--conditions=sojourn-source', file.pathname], {
      timeout: 25_000,
    });

    expect(wanted).not.toBe('');
    expect(stdout.trim()).toBe(wanted);
  });
});
