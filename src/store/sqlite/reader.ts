// Reader: the thread for reads that may take longer than the event loop should wait.
import { parentPort, workerData } from 'node:worker_threads';
import { assert, SojournError, type ErrorCode } from '../../kernel/errors.ts';
import type { SessionFilter } from '../store.ts';
import { backupFolder } from './backup.ts';
import { asStoreError, Connection } from './connection.ts';
import { databaseFile } from './folder.ts';
import { listPage } from './list.ts';

export type Question = { list: SessionFilter } | { backup: string };

export type Ask = { kind: 'ask'; id: number; question: Question } | { kind: 'close' };

export type Reply =
  | { kind: 'answered'; id: number; result: unknown }
  | { kind: 'refused'; id: number; code: ErrorCode; detail: string }
  | { kind: 'progress'; id: number; done: number; all: number };

assert(parentPort, 'the reader runs in a thread of its own');
const port = parentPort;
const { folder } = workerData as { folder: string };
const connection = new Connection(databaseFile(folder), 'read');

async function answer(id: number, question: Question): Promise<unknown> {
  if ('list' in question) return listPage(connection, question.list);
  return backupFolder(folder, question.backup, (done, all) => {
    port.postMessage({ kind: 'progress', id, done, all } satisfies Reply);
  });
}

port.on('message', (ask: Ask) => {
  if (ask.kind === 'close') {
    connection.close();
    port.close();
    return;
  }
  const { id } = ask;
  answer(id, ask.question).then(
    (result) => port.postMessage({ kind: 'answered', id, result } satisfies Reply),
    (error: unknown) => {
      const known = asStoreError(error);
      const { code, detail } =
        known instanceof SojournError ? known : new SojournError('internal', String(known));
      port.postMessage({ kind: 'refused', id, code, detail } satisfies Reply);
    },
  );
});
