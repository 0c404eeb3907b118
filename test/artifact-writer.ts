// A process of its own that puts artifacts while it may open only so many files, and then again when it may.
import { closeSync, openSync } from 'node:fs';
import { SojournError } from '../src/kernel/errors.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';

const folder = process.argv[2] ?? '';
const store = await sqliteStore({ folder, limits: { freeBytesMin: 0, ballastBytes: 0 } });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (error instanceof SojournError ? error.code : String(error)),
  );

const digest = await store.files.put('default', Buffer.from('before'));
const taken: number[] = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  // No more files can be opened.
}
const codes = [
  await codeOf(store.files.put('default', Buffer.from('during'))),
  await codeOf(store.files.read('default', digest)),
];
for (const file of taken) closeSync(file);
codes.push(
  await codeOf(store.files.put('default', Buffer.from('during'))),
  await codeOf(store.files.read('default', digest)),
);
await store.close();
process.stdout.write(JSON.stringify(codes));
