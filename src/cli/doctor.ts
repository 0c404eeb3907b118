// Doctor: what is wrong with a data folder or a setup, and how to mend it. It changes nothing.
import { accessSync, constants, existsSync, lstatSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { SojournError } from '../kernel/errors.ts';
import { adviceFor } from './advice.ts';
import { EXIT, Quit } from './exit.ts';
import { isForeignFolder } from './foreign-folder.ts';
import { client, dataFolder, namedUrl, serverPort, tokenFile, type PlaceOptions } from './place.ts';
import { progressBar } from './progress.ts';
import { Screen, visible, type Style } from './screen.ts';
import type { World } from './world.ts';

/** To read as much takes long enough to be shown. */
const LONG_BYTES = 256 * 1_048_576;

export interface Finding {
  level: 'error' | 'warning' | 'info';
  what: string;
  fix?: string;
}

export function addDoctor(program: Command, world: World): void {
  program
    .command('doctor [folder]')
    .description('say what is wrong with a data folder or this setup, and how to mend it')
    .action(async (folder: string | undefined, _options: object, command: Command) => {
      const place = command.optsWithGlobals<PlaceOptions>();
      const screen = new Screen(world, place.json === true);
      const options = folder === undefined ? place : { ...place, data: resolve(world.cwd, folder) };
      const bar = progressBar(screen, world);
      const findings = await examine(world, options, (done, all) => {
        if (all >= LONG_BYTES) bar.show(done, all);
      });
      bar.end();
      const errors = findings.filter((finding) => finding.level === 'error').length;
      if (screen.json) screen.value({ healthy: errors === 0, findings });
      else for (const finding of findings) show(screen, finding);
      if (errors > 0) throw new Quit(EXIT.failure);
    });
}

const MARKS: Record<Finding['level'], { mark: string; style: Style }> = {
  info: { mark: 'ok     ', style: 'green' },
  warning: { mark: 'warning', style: 'yellow' },
  error: { mark: 'error  ', style: 'red' },
};

function show(screen: Screen, finding: Finding): void {
  const { mark, style } = MARKS[finding.level];
  screen.line(`${screen.style(style, mark)}  ${visible(finding.what)}`);
  if (finding.fix !== undefined && finding.level !== 'info') screen.line(`         ${finding.fix}`);
}

type OnProgress = (done: number, all: number) => void;

async function examine(world: World, place: PlaceOptions, onProgress: OnProgress): Promise<Finding[]> {
  const folder = dataFolder(world, place);
  const unfit = closedFolder(folder) ?? foreignFolder(folder);
  const inside = async (): Promise<Finding[]> => [
    ...tokenFindings(folder),
    ...(await folderFindings(folder, place.data !== undefined, onProgress)),
  ];
  return [
    nodeVersion(process.versions.node),
    ...(unfit === undefined ? await inside() : [unfit]),
    ...(await agentFindings(world)),
    await serverFinding(world, place),
  ];
}

/** Nobody can look into it, and no server could use it. */
function closedFolder(folder: string): Finding | undefined {
  if (!existsSync(folder)) return undefined;
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    const fix = 'Work as its owner, or name another folder with --data or SOJOURN_DATA.';
    return { level: 'error', what: `This user may not read and write ${folder}`, fix };
  }
}

/** What lies in it is none of ours to judge. */
function foreignFolder(folder: string): Finding | undefined {
  if (!isForeignFolder(folder)) return undefined;
  const inner = join(folder, '.sojourn');
  const fix = `Name the data folder itself${existsSync(inner) ? `: ${inner}` : '; a server says where it is when it starts'}.`;
  return { level: 'error', what: `${folder} is no data folder: it holds other things`, fix };
}

function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 15)) return { level: 'info', what: `Node ${version}` };
  return { level: 'error', what: `Node ${version} is too old`, fix: 'Install Node 24.15 or newer.' };
}

function tokenFindings(folder: string): Finding[] {
  const file = tokenFile(folder);
  if (!existsSync(folder)) return [];
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) {
    const fix = 'The next start makes one; or set SOJOURN_TOKEN.';
    return [{ level: 'warning', what: `There is no token in ${file}`, fix }];
  }
  const mode = stat.mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const what = `Others on this machine can read ${file} (mode ${mode.toString(8)})`;
    return [
      { level: 'error', what, fix: `Run: chmod 600 ${file}, and make a new token if they may have read it.` },
    ];
  }
  if (!readFileSync(file, 'utf8').trim().startsWith('soj_')) {
    const fix = `Move ${file} away; the next start makes a new one.`;
    return [{ level: 'error', what: `${file} holds no token`, fix }];
  }
  return [{ level: 'info', what: `The token in ${file} is for its owner's eyes only` }];
}

async function folderFindings(
  folder: string,
  named: boolean,
  onProgress: OnProgress,
): Promise<readonly Finding[]> {
  if (!existsSync(folder) && !named) {
    return [{ level: 'info', what: `There is no data folder ${folder} yet; the first start makes it` }];
  }
  const { inspect } = await import('../store/sqlite/doctor.ts');
  const { findings } = await inspect(folder, { onProgress });
  return findings.filter((finding) => !finding.what.startsWith(`${tokenFile(folder)} `)); // Examined above.
}

/** A config's agents, or else the ones that the environment leads to. */
async function agentFindings(world: World): Promise<Finding[]> {
  const { configFile } = await import('./config.ts');
  const file = configFile(world.cwd);
  if (file !== undefined) return [await configFinding(file)];
  const none: Finding = { level: 'info', what: 'There is no sojourn.config.ts here, and none is needed' };
  return [none, await environmentFinding(world)];
}

async function configFinding(file: string): Promise<Finding> {
  const { Config } = await import('./config.ts');
  try {
    const { agents } = await new Config(file).load();
    return { level: 'info', what: `${file} names ${Object.keys(agents).join(', ')}` };
  } catch (error) {
    return findingOf(error);
  }
}

async function environmentFinding(world: World): Promise<Finding> {
  const { chooseAgents } = await import('./agent-choice.ts');
  try {
    const { defaultAgent, description, warning } = await chooseAgents(world.env, undefined);
    if (warning === undefined) return { level: 'info', what: `The agent is ${defaultAgent}: ${description}` };
    return { level: 'warning', what: warning, fix: adviceFor('agent.package_missing') };
  } catch (error) {
    return findingOf(error);
  }
}

/** The server of this folder must know its token; where there is none, its port must be free. */
async function serverFinding(world: World, place: PlaceOptions): Promise<Finding> {
  const url = namedUrl(world, place);
  try {
    // What answers at an address that nobody named is not the server of this folder.
    if (url === undefined) return await portFinding(world, 'No server uses this folder');
    await client(world, place, { retryMsMax: 0 }).agents();
    return { level: 'info', what: `A server answers at ${url}, and knows the token` };
  } catch (error) {
    if (!SojournError.is(error, 'server.unreachable')) return findingOf(error);
    return await portFinding(world, `No server answers at ${url}`);
  }
}

async function portFinding(world: World, none: string): Promise<Finding> {
  const port = serverPort(world);
  if (port === 0) return { level: 'info', what: none };
  if (await isFree(port)) return { level: 'info', what: `${none}; port ${port} is free for one` };
  const what = `Something else listens on port ${port}`;
  return { level: 'warning', what, fix: 'Stop it, or start with another --port (0 picks a free one).' };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

function findingOf(error: unknown): Finding {
  if (!(error instanceof SojournError)) throw error;
  return { level: 'error', what: `${error.code}: ${error.detail}`, fix: adviceFor(error.code) };
}
