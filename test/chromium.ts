// The Chromium of the tests: unpacked from a package of the registry, so that a machine with nothing but Node has one.
//
// Elsewhere than on Linux with x64, where that package has none, the agent finds the system's own.
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import type { BrowserOptions } from '../src/agent/browser/browser.ts';

/** Bare machines and containers have no user but root, and no namespaces to make a sandbox of. */
const BARE = { sandbox: false, launchMsMax: 60_000 } as const satisfies BrowserOptions;

const PACKAGE = fileURLToPath(new URL('../node_modules/@sparticuz/chromium/', import.meta.url));
const CACHE = fileURLToPath(new URL('../node_modules/.cache/chromium/', import.meta.url));

let unpacked: Promise<BrowserOptions> | undefined;

export function testChromium(): Promise<BrowserOptions> {
  unpacked ??= process.platform === 'linux' && process.arch === 'x64' ? unpack() : Promise.resolve(BARE);
  return unpacked;
}

async function unpack(): Promise<BrowserOptions> {
  const { version } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8')) as {
    version: string;
  };
  const folder = join(CACHE, version);
  if (!existsSync(folder)) await fill(folder);
  const executablePath = join(folder, 'chromium');
  const missing = execFileSync('ldd', [executablePath], { encoding: 'utf8' }).includes('not found');
  // A machine without the few libraries it needs gets those that come with the package.
  const env: Record<string, string> = missing ? { LD_LIBRARY_PATH: join(folder, 'lib') } : {};
  return { ...BARE, executablePath, env: { ...env, FONTCONFIG_FILE: join(folder, 'fonts.conf') } };
}

/** Several test files may come at once: each fills a folder of its own, and the first one that is whole stays. */
async function fill(folder: string): Promise<void> {
  const own = `${folder}-${process.pid}`;
  await mkdir(own, { recursive: true });
  try {
    await Promise.all([
      inflate('chromium.br', join(own, 'chromium')),
      inflate('al2023.tar.br', join(own, 'libraries.tar')),
      inflate('fonts.tar.br', join(own, 'fonts.tar')),
    ]);
    for (const archive of ['libraries.tar', 'fonts.tar'])
      execFileSync('tar', ['xf', join(own, archive), '-C', own]);
    await writeFile(join(own, 'fonts.conf'), fontsOf(folder));
    await rename(own, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

const fontsOf = (folder: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>${folder}/fonts</dir><cachedir>${folder}/seen</cachedir></fontconfig>
`;

async function inflate(from: string, to: string): Promise<void> {
  const source = createReadStream(join(PACKAGE, 'bin', from));
  await pipeline(source, createBrotliDecompress(), createWriteStream(to, { mode: 0o755 }));
}
