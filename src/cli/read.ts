// Read: what was moved out of a session's working set, back on a screen or into a file.
//
//   RE1. Where no terminal shows it, exactly the bytes are written: pages of a whole, one after the other, are the whole.
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { InvalidArgumentError, type Command } from 'commander';
import type { ReadBack, ReadBackCall } from '../wire/context.ts';
import { unflattened } from '../wire/read-back.ts';
import { desk, wholeNumber } from './desk.ts';
import { visible, type Screen } from './screen.ts';
import type { World } from './world.ts';

interface Range {
  from: number;
  to?: number;
}

interface ReadOptions {
  lines?: Range;
  head?: number;
  tail?: number;
  search?: string;
  ignoreCase?: true;
  around?: number;
  path?: string;
  bytes?: Range;
  all?: true;
}

export function addRead(program: Command, world: World): void {
  program
    .command('read <key> [ref]')
    .description(
      'read back what was moved out of a session: artifact:HEX, log:SEQ or log:FROM-TO; without one, --search looks through all of it',
    )
    .option('--lines <from-to>', 'these lines, counted from 1', range(1))
    .option('--head <count>', 'so many lines from the start', wholeNumber(1))
    .option('--tail <count>', 'so many lines from the end', wholeNumber(1))
    .option('--search <pattern>', 'the lines that match this regular expression (RE2)')
    .option('--ignore-case', 'with --search: small and capital letters are the same')
    .option('--around <count>', 'with --search: so many lines before and behind each match', wholeNumber(0))
    .option('--path <path>', 'the values that this JSONPath finds, each as a line of JSON')
    .option('--bytes <from-to>', 'these bytes, counted from 0, without the last', range(0))
    .option('--all', 'all of it, page after page')
    .action(async (key: string, ref: string | undefined, options: ReadOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      const session = server.session(key);
      for (let call: ReadBackCall | undefined = callOf(ref, options); call !== undefined;) {
        const page: ReadBack = await session.readBack(call);
        await show(world, screen, page);
        call = options.all ? page.next : undefined;
        if (!options.all) remark(screen, page);
      }
    });
}

function callOf(ref: string | undefined, options: ReadOptions): ReadBackCall {
  const { lines, bytes, head, tail, search, ignoreCase, around, path } = options;
  const from = { fromLine: lines?.from, toLine: lines?.to, fromByte: bytes?.from, toByte: bytes?.to };
  return unflattened({ ref, head, tail, search, ignoreCase, around, path, ...from });
}

/** RE1. */
async function show(world: World, screen: Screen, page: ReadBack): Promise<void> {
  if (screen.json) return screen.value(page);
  const bytes = Buffer.from(page.text, page.encoding ?? 'utf8');
  const shown = world.stdout.isTTY === true ? visible(page.text) : bytes;
  if (!world.stdout.write(shown)) await once(world.stdout, 'drain');
}

function remark(screen: Screen, { text, matches, range: shown, bytes, next }: ReadBack): void {
  if (!screen.json && screen.stdout.isTTY === true && text !== '' && !text.endsWith('\n')) screen.line();
  if (matches === 0) screen.note('Nothing was found.');
  if (bytes === 0) screen.note('It is empty.');
  if (next === undefined) return;
  const which =
    shown === undefined ? '' : `Bytes ${shown.from} to ${shown.to}${bytes === null ? '' : ` of ${bytes}`}. `;
  screen.note(`${which}There is more: --all goes on to the end.`);
}

function range(least: number): (text: string) => Range {
  return (text) => {
    const [, first, dash, last] = /^(\d{1,15})(-)?(\d{1,15})?$/.exec(text) ?? [];
    const from = first === undefined ? Number.NaN : Number(first);
    const to = last === undefined ? (dash === undefined ? from + 1 - least : undefined) : Number(last);
    if (from >= least && (to === undefined || to >= from))
      return { from, ...(to === undefined ? {} : { to }) };
    throw new InvalidArgumentError(
      `It must be a range such as ${least}-20, or ${least}- for all from there on.`,
    );
  };
}
