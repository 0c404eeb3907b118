// Where a search stops and goes on: at what one call looks through, and around what cannot be read.
import { expect, test } from 'vitest';
import { scene } from './read-back-scene.ts';

const MIB = 1_048_576;
/** What one call looks through. */
const SCANNED = 64 * MIB;

test('a search through just as much as one call looks through says that it is over', async () => {
  const session = await scene();
  const ref = await session.artifact(Buffer.alloc(SCANNED, `${'-'.repeat(1_023)}\n`));

  const { matches, next } = await session.read({ ref, search: { pattern: 'needle' } });

  expect([matches, next]).toEqual([0, undefined]);
});

test('what is behind that is looked through by the next call, and that one is the last', async () => {
  const session = await scene();
  const behind = await session.artifact('the needle');
  const ref = await session.artifact(Buffer.alloc(SCANNED, `${'-'.repeat(1_023)}\n`));

  const first = await session.read({ search: { pattern: 'needle' } });
  const last = await session.read(first.next ?? {});

  expect(first).toMatchObject({ matches: 0, next: { search: { fromRef: ref, fromByte: SCANNED } } });
  expect([last.text, last.next]).toEqual([`${behind}\n1: the needle\n`, undefined]);
});

test('behind a file that is lost, a full page goes on where it stopped', async () => {
  const session = await scene();
  const lines = (name: string): string =>
    Array.from({ length: 300 }, (_, index) => `${name} needle ${index}`).join('\n');
  await session.artifact(lines('old'));
  await session.artifact(lines('new'));
  const lost = await session.artifact('gone');
  await session.store.files.remove(session.project, lost.slice('artifact:'.length));

  const found: string[] = [];
  let next: Parameters<typeof session.read>[0] | undefined = { search: { pattern: 'needle' } };
  for (let calls = 0; next !== undefined && calls < 10; calls += 1) {
    const page = await session.read(next);
    found.push(...(page.text.match(/(?:old|new) needle \d+/g) ?? []));
    next = page.next;
  }

  expect(next).toBeUndefined();
  expect(found).toEqual([...lines('new').split('\n'), ...lines('old').split('\n')]);
});
