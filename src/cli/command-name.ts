// Command name: what a person types to call this program again, so that what is printed can be pasted. In a clone the
// name `sojourn` is on nobody's path.
const IN_CLONE = import.meta.url.endsWith('.ts');

/** Stands before the words of a command. */
export const COMMAND = IN_CLONE ? 'npm run sojourn --' : 'npx sojourn';
export const START = IN_CLONE ? 'npm start' : 'npx sojourn start';

/** As a POSIX shell reads it as one word. */
export function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
