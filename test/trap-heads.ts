// Trap heads: what the heads of test files say they show, a trap or a line of a checklist each:
//
//   B-9   'the name of a test', "the name of another"
//
// and what lists say of tests in other files: `H-DISK 87  test/file.test.ts 'the name of a test'`.
import { readdirSync, readFileSync } from 'node:fs';

export interface Shown {
  /** The trap, or the line of a checklist. */
  name: string;
  file: string;
  title: string;
}

const folder = new URL('.', import.meta.url);

export const textOf = (file: string): string =>
  readFileSync(new URL(file, folder), 'utf8').replaceAll('\\', '');

/** What the heads of `files` say of names that look like `name`. */
export function headsOf(files: RegExp, name: RegExp): readonly Shown[] {
  const line = new RegExp(`^// {3}(${name.source}) +(['"].*['"])$`, 'gm');
  return readdirSync(folder)
    .filter((file) => files.test(file))
    .flatMap((file) =>
      Array.from(textOf(file).matchAll(line)).flatMap(([, found = '', quoted = '']) =>
        quoted
          .slice(1, -1)
          .split(/['"], ['"]/)
          .map((title) => ({ name: found, file, title })),
      ),
    );
}

/** What the list at the head of `file` says of names that look like `name`. */
export function listOf(file: string, name: RegExp): readonly Shown[] {
  const line = new RegExp(`^// {3}(${name.source}) +test/(\\S+) '(.*)'$`, 'gm');
  return Array.from(textOf(file).matchAll(line), ([, found = '', in_ = '', title = '']) => ({
    name: found,
    file: in_,
    title,
  }));
}

/** Those whose title is not the name of a test in their file. */
export const untrue = (shown: readonly Shown[]): readonly Shown[] =>
  shown.filter(({ file, title }) => {
    const text = textOf(file);
    const quoted = [`'${title}',`, `"${title}",`];
    return !quoted.some((name) => text.includes(`test(${name}`) || text.includes(`)(${name}`)); // `)`: of `test.each`
  });

/** Those of `names` that nothing shows. */
export const unshown = (names: readonly string[], shown: readonly Shown[]): readonly string[] =>
  names.filter((name) => !shown.some((one) => one.name === name));
