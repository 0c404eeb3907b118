// Doctor: looks at a data folder and says what is wrong with it and how to mend it. It changes nothing, and works while
// another process uses the folder.
//
//   D1. While a process uses it only SQLite opens the database (F3 of folder.ts); everything is read from one state of it.
//       What the next start would refuse is looked for while nobody can start.
//   D2. Every event's and every post's checksum is verified, every log counted through to its head, every artifact read.
//   D3. Artifacts are read when the database is done with: however many there are, nothing of it is held up meanwhile.
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SojournError } from '../../kernel/errors.ts';
import type { Seq, SessionNum } from '../store.ts';
import { artifactContents } from './artifact-contents.ts';
import { artifactFindings } from './artifact-findings.ts';
import { unpack, type ChunkRow } from './chunk.ts';
import { Connection } from './connection.ts';
import { UNFINISHED } from './files.ts';
import type { Finding } from './finding.ts';
import {
  artifactsFolder,
  checkExisting,
  databaseFile,
  lockFile,
  lockFolder,
  networkDisk,
  type StatDisk,
} from './folder.ts';
import { damagedPosts } from './post-rows.ts';
import { SCHEMA_VERSION } from './schema.ts';
import { freeBytes, FREE_BYTES_MIN } from './space.ts';

export type { Finding } from './finding.ts';

export interface Inspection {
  /** There is no finding of level `error`. */
  ok: boolean;
  findings: readonly Finding[];
}

/** Of one kind; the rest is counted. */
const FINDINGS_MAX = 20;
const LOG_BYTES_MANY = 256 * 1_024 * 1_024;
const RESTORE = 'Restore the folder from a backup.';

export interface InspectOptions {
  /** In bytes of artifacts: by far most of the time goes into reading them. */
  onProgress?: (done: number, all: number) => void;
  /** @default the system's */
  statDisk?: StatDisk;
}

export async function inspect(folder: string, options: InspectOptions = {}): Promise<Inspection> {
  const findings = [...folderFindings(folder, options.statDisk)];
  if (existsSync(folder)) {
    const refused = refusal(folder);
    const { found, isReadable } = refused === undefined ? databaseFindings(folder) : unread(refused);
    findings.push(...found);
    if (isReadable) findings.push(...(await contents(folder, options.onProgress)));
  }
  return { ok: findings.every(({ level }) => level !== 'error'), findings };
}

function* folderFindings(folder: string, statDisk: StatDisk | undefined): Iterable<Finding> {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) {
    yield {
      level: 'error',
      what: `There is no data folder ${folder}`,
      fix: 'Start the server once, or name another.',
    };
    return;
  }
  yield* modeFindings(folder);
  const free = freeBytes(folder);
  if (free < FREE_BYTES_MIN) {
    const what = `Only ${Math.floor(free / 1_048_576)} MiB are free on the disk of ${folder}`;
    yield { level: 'warning', what, fix: 'Free space: below 512 MiB new sessions are refused.' };
  }
  const disk = networkDisk(folder, statDisk);
  if (disk !== undefined) {
    const what = `${folder} is on a network or user-space file system (${disk})`;
    yield { level: 'warning', what, fix: 'Move it to a local disk: others may lie about what is written.' };
  }
  const artifacts = artifactsFolder(folder);
  if (lstatSync(artifacts, { throwIfNoEntry: false })?.isDirectory() === false)
    yield { level: 'error', what: `${artifacts} is not a folder`, fix: 'Put the folder itself there.' };
  const log = lstatSync(`${databaseFile(folder)}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (log > LOG_BYTES_MANY) {
    const what = `The write-ahead log has ${Math.floor(log / 1_048_576)} MiB`;
    yield {
      level: 'warning',
      what,
      fix: 'End what has been reading the database for long, such as a backup.',
    };
  }
  const left = [join(folder, 'sojourn.db.new'), ...unfinishedPuts(folder)].filter((path) => existsSync(path));
  for (const path of left) {
    yield { level: 'info', what: `${path} was left unfinished`, fix: 'Nothing: the next start removes it.' };
  }
}

function unfinishedPuts(folder: string): string[] {
  const artifacts = artifactsFolder(folder);
  const isFolder = lstatSync(artifacts, { throwIfNoEntry: false })?.isDirectory() === true;
  const names = isFolder ? readdirSync(artifacts) : [];
  return names.filter((name) => UNFINISHED.test(name)).map((name) => join(artifacts, name));
}

function* modeFindings(folder: string): Iterable<Finding> {
  if (process.platform === 'win32') return;
  for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
    const stat = lstatSync(path);
    if (stat.isSymbolicLink() && path.startsWith(databaseFile(folder))) {
      yield { level: 'error', what: `${path} is a link`, fix: 'Put the file itself there.' };
    } else if (!stat.isSymbolicLink() && (stat.mode & 0o077) !== 0) {
      const what = `${path} can be read by others (mode ${(stat.mode & 0o777).toString(8)})`;
      yield { level: 'warning', what, fix: `chmod go-rwx '${path}', or start the server: it does so.` };
    }
  }
}

/** What the next start would refuse it for. Where it is in use, its owner has looked. */
function refusal(folder: string): Finding | undefined {
  if (lstatSync(lockFile(folder), { throwIfNoEntry: false }) === undefined) return undefined;
  let lock: { release(): void } | undefined;
  try {
    lock = lockFolder(folder);
    checkExisting(folder, true);
  } catch (error) {
    if (!SojournError.is(error, 'store.damaged')) return undefined;
    const [what = '', ...mend] = error.detail.split('; ');
    const fix = mend.join('; ');
    return { level: 'error', what, fix: `${fix.charAt(0).toUpperCase()}${fix.slice(1)}.` };
  } finally {
    lock?.release();
  }
  return undefined;
}

interface Looked {
  found: Finding[];
  /** Its lists are there and of this version. */
  isReadable: boolean;
}

function databaseFindings(folder: string): Looked {
  const file = databaseFile(folder);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) {
    const what = `There is no database ${file}`;
    if (existsSync(`${file}-wal`))
      return unread({ level: 'error', what: `${what}, but its log`, fix: RESTORE });
    return unread({ level: 'info', what, fix: 'Nothing: the next start makes it.' });
  }
  if (stat.size === 0) return unread({ level: 'error', what: `${file} is empty`, fix: RESTORE });
  const found: Finding[] = [];
  let isReadable = false;
  let connection: Connection | undefined;
  try {
    connection = new Connection(file, 'read');
    const open = connection;
    open.snapshot(() => {
      for (const finding of contentFindings(open, folder, stat.size)) found.push(finding);
      isReadable = open.number('PRAGMA user_version') === SCHEMA_VERSION;
    });
  } catch (error) {
    const what = `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    found.push({ level: 'error', what, fix: RESTORE });
  } finally {
    connection?.close();
  }
  return { found, isReadable };
}

const unread = (finding: Finding): Looked => ({ found: [finding], isReadable: false });

/** D3. */
async function contents(folder: string, onProgress: InspectOptions['onProgress']): Promise<Finding[]> {
  const connection = new Connection(databaseFile(folder), 'read');
  try {
    const found: Finding[] = [];
    for await (const finding of artifactContents(connection, folder, onProgress)) found.push(finding);
    return [...atMost(found)];
  } finally {
    connection.close();
  }
}

function* contentFindings(connection: Connection, folder: string, bytes: number): Iterable<Finding> {
  const version = connection.number('PRAGMA user_version');
  if (version > SCHEMA_VERSION) {
    const what = `The database has schema version ${version}, and this program knows up to ${SCHEMA_VERSION}`;
    yield { level: 'error', what, fix: 'Use the newer version that wrote it.' };
    return;
  }
  const problems = connection.rows<{ integrity_check: string }>(`PRAGMA integrity_check(${FINDINGS_MAX})`);
  for (const { integrity_check: what } of problems) {
    if (what !== 'ok') yield { level: 'error', what: `sojourn.db: ${what}`, fix: RESTORE };
  }
  if (version < SCHEMA_VERSION) {
    const what = `The database has schema version ${version} of ${SCHEMA_VERSION}`;
    yield { level: 'info', what, fix: 'Nothing: the next start migrates it.' };
    return;
  }
  yield* atMost(logFindings(connection));
  yield* atMost(markedFindings(connection));
  yield* atMost(postFindings(connection));
  yield* atMost(artifactFindings(connection, folder));
  const sessions = connection.number('SELECT count(*) FROM sessions');
  yield {
    level: 'info',
    what: `${sessions} sessions in ${Math.ceil(bytes / 1_048_576)} MiB`,
    fix: 'Nothing.',
  };
}

function* atMost(findings: Iterable<Finding>): Iterable<Finding> {
  let count = 0;
  for (const finding of findings) {
    count += 1;
    if (count <= FINDINGS_MAX) yield finding;
  }
  if (count > FINDINGS_MAX) {
    yield {
      level: 'error',
      what: `${count - FINDINGS_MAX} more of this kind`,
      fix: 'Mend the first ones and look again.',
    };
  }
}

type Walked = ChunkRow & { session: SessionNum };

/** D2, the logs. One finding a session. */
function* logFindings(connection: Connection): Iterable<Finding> {
  const chunks = connection
    .sql('SELECT session, seq, count, at, turn, meta, bodies, crc FROM chunks ORDER BY session, seq')
    .iterate() as Iterable<unknown> as Iterable<Walked>;
  let log: Log | undefined;
  for (const chunk of chunks) {
    if (log?.session !== chunk.session) {
      if (log !== undefined) yield* endFindings(connection, log);
      log = { session: chunk.session, next: 1, broken: undefined };
    }
    if (chunk.seq !== log.next || !isWhole(chunk.session, chunk))
      log.broken ??= Math.min(chunk.seq, log.next);
    log.next = chunk.seq + chunk.count;
  }
  if (log !== undefined) yield* endFindings(connection, log);
  const emptied = connection.rows<{ session: SessionNum }>(
    'SELECT session FROM heads h WHERE seq > 0 AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.session = h.session)',
  );
  for (const { session } of emptied) yield damagedLog(connection, session, 'is missing');
}

interface Log {
  session: SessionNum;
  next: Seq;
  broken: Seq | undefined;
}

function* endFindings(connection: Connection, { session, next, broken }: Log): Iterable<Finding> {
  const head = connection.number('SELECT seq FROM heads WHERE session = ?', session);
  if (broken !== undefined) yield damagedLog(connection, session, `is damaged at event ${broken}`);
  else if (next - 1 !== head) {
    yield damagedLog(connection, session, `ends at event ${next - 1} instead of ${head}`);
  }
}

function isWhole(session: SessionNum, chunk: ChunkRow): boolean {
  try {
    return unpack(session, chunk)?.length === chunk.count;
  } catch {
    return false;
  }
}

function damagedLog(connection: Connection, session: SessionNum, what: string): Finding {
  return {
    level: 'error',
    what: `The log of ${nameOf(connection, session)} ${what}`,
    fix: 'Restore a backup beside it and import the session from there; or erase it. Others are unaffected.',
  };
}

function nameOf(connection: Connection, session: SessionNum): string {
  const row = connection.row<{ project: string; key: string }>(
    'SELECT project, key FROM sessions WHERE num = ?',
    session,
  );
  return row === undefined
    ? `session number ${session}`
    : `session ${JSON.stringify(row.key)} of ${row.project}`;
}

/** Those that a read or a claim has set aside. */
function* markedFindings(connection: Connection): Iterable<Finding> {
  const marked = connection.rows<{ session: SessionNum }>('SELECT session FROM heads WHERE damaged <> 0');
  for (const { session } of marked) {
    yield {
      level: 'error',
      what: `${nameOf(connection, session)} is set aside as damaged`,
      fix: 'Restore a backup beside it and import the session from there; or erase it.',
    };
  }
}

/** D2, the posts. */
function* postFindings(connection: Connection): Iterable<Finding> {
  for (const { project, id } of damagedPosts(connection)) {
    yield {
      level: 'error',
      what: `Post ${id} of ${project} is damaged`,
      fix: 'Nothing has to be done: it is not shown. A backup may have it whole.',
    };
  }
}
