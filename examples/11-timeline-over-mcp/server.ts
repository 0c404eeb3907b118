// The server, as a user has it: `sojourn start`, in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const CONFIG = fileURLToPath(new URL('./config.ts', import.meta.url));

export interface Server {
  url: string;
  /** That of the data folder. */
  token: string;
  stop: () => Promise<void>;
}

export async function startServer(folder: string, model: string): Promise<Server> {
  const data = join(folder, 'stored');
  const child = spawn(process.execPath, [MAIN, 'start', '--port', '0', '--config', CONFIG], {
    cwd: folder,
    env: { PATH: process.env['PATH'], SOJOURN_DATA: data, STORY_FOLDER: folder, STORY_MODEL: model },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  const remarks = text(child.stderr);
  const lines = createInterface({ input: child.stdout });
  const address = new Promise<string | undefined>((resolve) => {
    lines.on('line', (line) => {
      const url = /listens on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    lines.on('close', () => resolve(undefined));
  });
  const stop = async (): Promise<void> => {
    child.kill();
    await gone;
  };
  const url = await address;
  if (url !== undefined) return { url, token: readFileSync(join(data, 'token'), 'utf8').trim(), stop };
  await stop();
  throw new Error(`The server did not start: ${await remarks}`);
}
