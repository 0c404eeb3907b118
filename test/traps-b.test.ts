// The index of the traps of the working state of sessions: where each of them is shown. The heads of the test files say it,
// one line a trap or a line of the checklist, with the names of the tests in quotes; this test keeps them honest.
//
//   I1. Every trap, B-1 to B-20, and every line of the checklist, B.1 to B.7, is named by at least one head.
//   I2. What a head quotes is the name of a test in the same file.
//   I3. What the list below quotes is the name of a test in the file before it.
//
// The checklist, as it reads here (where a trap says otherwise, the trap holds):
//   B.1  one registry has one data folder; what is in memory can be told apart: each instance has a number of its own
//   B.2  what one has of a session says whose it is, and what its next turn has
//   B.3  asking for a session gives the live one, or wakes it with all it had, whatever it is named by
//   B.4  of an internal session nothing is given: no instance, no read beyond its row, no place
//   B.5  asking for a live one never makes it, and is a use; how many there are and which can be listed
//   B.6  who was used longest ago leaves when there are too many
//   B.7  ids that a host brings along, and a key of "..", stay inside the data folder
//
// What else may happen to files, and the test that shows it:
//
//   H-DISK 87  test/store-crash.test.ts 'nothing that was acknowledged is missing, however often the process is killed'
//   H-DISK 87  test/registry-state.test.ts 'a kept state that is torn is reported and made again from the log'
//   H-DISK 87  test/import-formats.test.ts 'in the middle is counted, and the rest is read'
//   H-DISK 88  test/import-formats.test.ts 'is refused with the place, and nothing is guessed'
//   H-DISK 88  test/import-formats.test.ts 'is never more than a few samples of it, however much there is'
//   H-DISK 89  test/store-damage.test.ts 'a changed event is found, its session set aside and reported, and the others work'
//   H-DISK 89  test/registry-state.test.ts 'a session whose log cannot be read is refused, and never shown as an empty one; others work'
//   H-DISK 90  test/store-damage.test.ts 'is refused when its log belongs to another database'
//   H-DISK 90  test/store-damage.test.ts 'a schema of a newer version is refused before anything is written'
//   H-DISK 91  test/store-sqlite.test.ts 'an older SQLite is refused'
//   H-DISK 92  test/store-sqlite.test.ts 'a second process is refused at once, and may open it when the first has ended'
//   H-DISK 94  test/store-sqlite.test.ts 'everything in it can be read by its owner only, and looser modes are mended and reported'
//   H-DISK 94  test/artifact-disk.test.ts '[94] files of artifacts can be read by their owner only, and so can their folders'
//   H-DISK 95  test/store-files.test.ts 'a changed or exchanged file is never read as the artifact, and putting it again heals it'
//   H-DISK 95  test/artifact-disk.test.ts '[95] removing an artifact through a folder that became a link removes nothing elsewhere'
//   H-DISK 96  test/store-files.test.ts 'a folder on the way that is a link is not followed'
//   H-DISK 96  test/artifact-disk.test.ts '[96] while somebody exchanges a folder for a link, nothing is written or read elsewhere'
//   H-DISK 97  test/store-crash.test.ts 'when a file cannot grow any more nothing is acknowledged, and nothing acknowledged is lost'
//   H-DISK 97  test/store-sqlite.test.ts 'below the floor of free space new sessions are refused, and those that exist go on'
//   H-DISK 97  test/artifact-disk.test.ts '[97] with no file left to open, artifacts are refused for now, and work again afterwards'
//   H-DISK 98  test/artifact-disk.test.ts '[98] a file that cannot be read fails the turn it was sent with, and the session goes on'
//   H-DISK 99  test/http-artifacts.test.ts 'a file of 64 MiB and a byte is refused, whoever sends it'
//   H-DISK 99  test/http-artifacts.test.ts 'an empty file is taken as it is'
//   H-DISK 99  test/http-artifacts.test.ts 'one that calls itself %j is never shown as a page'
//   H-DISK 99  test/artifact-disk.test.ts '[99] an artifact of 64 MiB is taken, and one byte more is not'
//   H-DISK 100 test/artifact-disk.test.ts '[100] an archive with a way out in it is kept as the bytes it is, and nothing of it is unpacked'
import { expect, test } from 'vitest';
import { headsOf, listOf, unshown, untrue } from './trap-heads.ts';

const TRAPS = Array.from({ length: 20 }, (_each, index) => `B-${index + 1}`);
const LINES = Array.from({ length: 7 }, (_each, index) => `B.${index + 1}`);

const heads = headsOf(/^(?!traps-).*\.test\.ts$/, /B[-.]\d+/);

test('every trap, and every line of the checklist, is shown by a test that is named for what a user saw', () => {
  expect(unshown([...TRAPS, ...LINES], heads)).toEqual([]);
});

test('what the heads name is there', () => {
  expect(untrue(heads)).toEqual([]);
  expect(heads.length).toBeGreaterThan(TRAPS.length);
});

test('what the list names is there', () => {
  const list = listOf('traps-b.test.ts', /H-DISK \d+/);

  expect(untrue(list)).toEqual([]);
  expect(new Set(list.map(({ name }) => name)).size).toBe(13);
});
