// What docs/working-set.md says that can be checked: limits with their defaults, commands and events that are there.
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { run } from '../src/cli/program.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';

const page = readFileSync(new URL('../docs/working-set.md', import.meta.url), 'utf8');

test('every limit of artifacts and of the working set is on the page, with the default it has', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` +\| ([\d.]+) +\|/gm)].map(([, name, value]) => [
    name,
    Number(value),
  ]);
  const ours = Object.entries(DEFAULT_LIMITS).filter(([name]) =>
    /^(inline|artifact|context|digest)/.test(name),
  );

  expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(ours));
});

test('every command on the page is one, with the options it is shown with', async () => {
  const shown = [...page.matchAll(/npm run sojourn -- (\w+)([^\n#]*)/g)];
  expect(shown.length).toBeGreaterThan(0);

  for (const [, command = '', words = ''] of shown) {
    const out = new PassThrough().setEncoding('utf8');
    const sink = { stdout: out, stderr: out, stdin: new PassThrough(), cwd: '/', env: {} };
    await run([command, '--help'], { ...sink, onSignal: () => () => undefined, exit: () => undefined });
    const help = String(out.read());

    expect(help).toMatch(new RegExp(`^Usage: sojourn ${command} `));
    for (const [option] of words.matchAll(/--[a-z-]+/g)) expect(help).toContain(option);
  }
});
