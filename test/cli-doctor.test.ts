import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../src/cli/doctor.ts';
import { cli, testServer, type TestServer } from './cli-server.ts';

let server: TestServer;
/** A copy of a good data folder, for each test that spoils it. */
let copies = 0;
const copied = (): string => {
  const folder = join(server.folder, `../copy-${(copies += 1)}`);
  cpSync(join(server.folder, '../good'), folder, { recursive: true });
  chmodSync(folder, 0o700);
  return folder;
};

beforeAll(async () => {
  server = await testServer();
  await cli(server.folder, ['send', 'a', 'Hello']);
  await cli(server.folder, ['backup', join(server.folder, '../good')]);
});
afterAll(() => server.close());

async function doctor(
  folder: string,
  env: Record<string, string> = {},
): Promise<{ code: number; findings: Finding[] }> {
  const { code, out } = await cli(dirname(folder), ['doctor', folder, '--json'], {
    env: { PORT: '0', ...env },
  });
  return { code, findings: (JSON.parse(out) as { findings: Finding[] }).findings };
}
const bad = (findings: Finding[]): Finding[] => findings.filter((finding) => finding.level !== 'info');

test('a good folder with its server running has nothing wrong', async () => {
  const { code, findings } = await doctor(server.folder);

  expect(bad(findings)).toEqual([]);
  expect(findings.map((finding) => finding.what)).toContain(
    `A server answers at ${server.url}, and knows the token`,
  );
  expect(code).toBe(0);
});

test('people get one line for each thing, and the fix under what is wrong', async () => {
  const folder = copied();
  chmodSync(folder, 0o755);

  const { code, out } = await cli(server.folder, ['doctor', folder], { env: { PORT: '0' } });

  expect(code).toBe(0);
  expect(out).toMatch(/^ok +Node 2\d/);
  expect(out).toMatch(/\nwarning +\S+ can be read by others[^\n]*\n +chmod/);
});

test('a token that others can read is an error, with the way to mend it', async () => {
  const folder = copied();
  writeFileSync(join(folder, 'token'), 'soj_abc\n', { mode: 0o644 });

  const { code, findings } = await doctor(folder);

  expect(code).toBe(1);
  expect(bad(findings)).toEqual([
    expect.objectContaining({ level: 'error', fix: expect.stringContaining('chmod 600') as string }),
  ]);
});

test('a token file without a token is an error', async () => {
  const folder = copied();
  writeFileSync(join(folder, 'token'), 'undefined\n', { mode: 0o600 });

  expect((await doctor(folder)).code).toBe(1);
});

test('a folder without a token is worth a warning only: the next start makes one', async () => {
  const { code, findings } = await doctor(copied());

  expect(code).toBe(0);
  expect(bad(findings)).toEqual([
    expect.objectContaining({ level: 'warning', what: expect.stringContaining('no token') as string }),
  ]);
});

test('a token that the server does not know is an error', async () => {
  const folder = copied();
  writeFileSync(join(folder, 'token'), 'soj_unknown\n', { mode: 0o600 });

  const { code, findings } = await doctor(folder, { SOJOURN_URL: server.url });

  expect(code).toBe(1);
  expect(bad(findings)[0]?.what).toContain('auth.required');
});

test('a database that was cut short is an error', async () => {
  const folder = copied();
  truncateSync(join(folder, 'sojourn.db'), 5_000);

  const { code, findings } = await doctor(folder);

  expect(code).toBe(1);
  expect(bad(findings).some((finding) => finding.level === 'error' && finding.fix?.includes('backup'))).toBe(
    true,
  );
});

test('a file with one byte changed is an error that names it', async () => {
  await cli(server.folder, ['send', 'big', '/big 20000']);
  const folder = join(server.folder, '../with-file');
  await cli(server.folder, ['backup', folder]);
  const inside = readdirSync(join(folder, 'artifacts'), { recursive: true, withFileTypes: true });
  const paths = inside.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const before = await doctor(folder);
  const [path = ''] = paths;
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(path, bytes);

  const { code, findings } = await doctor(folder);

  expect([paths.length, before.code, code]).toEqual([1, 0, 1]);
  expect(bad(findings).filter(({ level }) => level === 'error')).toEqual([
    expect.objectContaining({ what: `Artifact ${path} does not hold what was put there` }),
  ]);
});

test('a folder that was named and is not there is an error', async () => {
  expect((await doctor(join(server.folder, 'nowhere'))).code).toBe(1);
});

test('a config that cannot be used is an error', async () => {
  const home = join(server.folder, '../home');
  mkdirSync(home);
  writeFileSync(join(home, 'sojourn.config.mjs'), 'export default { agents: {} };');

  const { code, out } = await cli(home, ['doctor', '--json'], { env: { PORT: '0', SOJOURN_DATA: copied() } });

  expect(code).toBe(1);
  expect(out).toContain('agents must name at least one agent');
});

test('a port that something else has taken is worth a warning', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };

  const { findings } = await doctor(copied(), { PORT: String(port), SOJOURN_URL: 'http://127.0.0.1:1' });
  other.close();

  expect(findings).toContainEqual(
    expect.objectContaining({ level: 'warning', what: `Something else listens on port ${port}` }),
  );
});

test('a copy is not blamed for the server of another folder', async () => {
  const { code, findings } = await doctor(copied(), { PORT: new URL(server.url).port });

  expect(code).toBe(0);
  expect(findings.at(-1)?.what).toContain('Something else listens');
  expect(findings.map(({ what }) => what).join()).not.toContain('auth.required');
});

test('a port that is no number is said, and everything else too', async () => {
  const { code, findings } = await doctor(copied(), { PORT: 'many' });

  expect(code).toBe(1);
  expect(bad(findings).map(({ what }) => what)).toContainEqual(expect.stringContaining('PORT is "many"'));
});

test('the folder of a project, named in place of its data folder, is said to be none, and nothing in it is blamed', async () => {
  const project = join(server.folder, '../project');
  mkdirSync(join(project, '.sojourn'), { recursive: true });
  writeFileSync(join(project, 'run.sh'), 'exit', { mode: 0o755 });

  const { code, findings } = await doctor(project);

  expect(code).toBe(1);
  expect(bad(findings)).toEqual([
    {
      level: 'error',
      what: `${project} is no data folder: it holds other things`,
      fix: `Name the data folder itself: ${join(project, '.sojourn')}.`,
    },
  ]);
});
