// What tests of exports and imports share: a session that has lived, its export, and what is left of an import.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SojournError } from '../src/kernel/errors.ts';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import type { ImportedSession } from '../src/wire/calls.ts';
import { say } from './session-stage.ts';

export const MiB = 1_024 * 1_024;

export async function exported(world: TestRuntime, key: string): Promise<string> {
  let text = '';
  for await (const piece of await world.runtime.export(key)) text += piece;
  return text;
}

export async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined);
}

export const taken = (world: TestRuntime, key: string, text: string): Promise<ImportedSession> =>
  world.runtime.import(key, linesOf(text));

/** What it is refused with. */
export async function said(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'nothing';
  } catch (error) {
    if (error instanceof SojournError) return `${error.code}: ${error.detail}`;
    throw error;
  }
}

/** Sessions, also those that nobody sees, and files of artifacts. */
export async function left(
  world: TestRuntime,
): Promise<{ sessions: string[]; staged: number; files: number }> {
  const { sessions } = await world.store.list({ project: 'default', limit: 100 });
  const staged = await world.store.staged(100);
  const files = readdirSync(join(world.folder, 'artifacts'), { recursive: true, withFileTypes: true });
  return {
    sessions: sessions.map(({ key }) => key).toSorted(),
    staged: staged.length,
    files: files.filter((entry) => entry.isFile()).length,
  };
}

export const NOTHING = { sessions: [], staged: 0, files: 0 };

/** A session with all that a log may hold: artifacts of several sizes, a picture, a failure. */
export async function lived(world: TestRuntime, key: string): Promise<void> {
  await world.runtime.open(key, {
    title: 'Mine',
    labels: ['a', 'b'],
    metadata: { '2': 1, '1': { z: 1, a: 'ä\u2028' } },
  });
  await say(world, key, 'remember me');
  await say(world, key, '/big 2000000');
  await say(world, key, '/big 9000');
  const data = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 256)).toString('base64');
  await say(world, key, {
    input: [
      { type: 'text', text: 'x'.repeat(70_000) },
      { type: 'file', mediaType: 'image/png', name: 'ä.png', data },
    ],
  });
  await say(world, key, '/fail on purpose');
}
