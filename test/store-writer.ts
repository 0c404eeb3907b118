// A process that writes until it is killed, and says what was acknowledged. Started by store-sqlite.test.ts.
//
//   node test/store-writer.ts FOLDER SESSIONS
//
// It prints `head NUM SEQ` for each session it finds or makes, `ack NUM FROM TO` for each acknowledged append, and
// `failed CODE` when an append is refused or the disk fails.
import { systemClock } from '../src/kernel/clock.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import type { NewSession, Store } from '../src/store/store.ts';
import { newSession } from '../src/testing/store/trial.ts';

const [folder = '', sessions = '1'] = process.argv.slice(2);
/** A pipe is written at once: what was said is with the reader when the process is killed. */
const say = (line: string): void => void process.stdout.write(`${line}\n`);
/** Bodies tell their own number, and differ in length. */
const bodyOf = (seq: number): string => JSON.stringify({ seq, text: 'x'.repeat((seq * 37) % 300) });

const store = await sqliteStore({
  folder,
  clock: systemClock,
  logger: silentLogger,
  limits: { freeBytesMin: 0, ballastBytes: 0 },
});
void store.failed.then(() => say('failed store.failed'));

await Promise.all(Array.from({ length: Number(sessions) }, (_, index) => write(store, `s${index}`)));

async function write(into: Store, key: string): Promise<void> {
  const { num, epoch, headSeq: found } = await own(into, key);
  let headSeq = found;
  say(`head ${num} ${headSeq}`);
  for (let round = 0; ; round++) {
    const count = 1 + (round % 5);
    const events = Array.from({ length: count }, (_, index) => {
      return { at: 1, kind: 'said', turn: null, body: bodyOf(headSeq + 1 + index) };
    });
    try {
      const done = await into.append(() => ({
        session: num,
        epoch,
        events,
        row: { title: `round ${round}` },
      }));
      if (done.kind !== 'appended') throw new Error(done.kind);
      say(`ack ${num} ${headSeq + 1} ${done.headSeq}`);
      headSeq = done.headSeq;
    } catch (error) {
      say(`failed ${error instanceof SojournError ? error.code : String(error)}`);
      return;
    }
  }
}

async function own(into: Store, key: string) {
  const found = await into.byKey('default', key);
  const session: number | NewSession = found?.num ?? newSession(key);
  const epoch = found?.epoch ?? 0;
  const done = await into.append(() => ({ session, epoch, claim: true, events: [] }));
  if (done.kind !== 'appended') throw new Error(done.kind);
  return { num: done.num, epoch: done.epoch, headSeq: done.headSeq };
}
