// Init: a config to begin from. It writes only what is not there.
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { COMMAND } from './command-name.ts';
import { CONFIG_NAMES, configFile } from './config.ts';
import { Screen } from './screen.ts';
import type { World } from './world.ts';

const CONFIG = `import { defineConfig } from 'sojourn';
import type { AgentTurn } from 'sojourn/agent';

// An agent is an async generator: what it yields is what it says, and every piece of it is kept before it is shown.
async function* hello(turn: AgentTurn) {
  const said = turn.inputs.flatMap((input) => input.parts).map((part) => (part.type === 'text' ? part.text : ''));
  yield \`Hello! You said: \${said.join(' ')}\\n\`;
  yield \`Before that, \${turn.history.length} messages were said in this session.\`;
}

// Any agent of the AI SDK is one too: npm install ai @ai-sdk/anthropic, then
//
//   import { anthropic } from '@ai-sdk/anthropic';
//   import { ToolLoopAgent } from 'ai';
//   import { aiSdkAgent } from 'sojourn/agent/ai-sdk';
//
//   const helper = aiSdkAgent(new ToolLoopAgent({ model: anthropic('claude-sonnet-5-5'), tools: {} }));
//
// and name it below. \`sojourn dev\` takes up every change of this file without ending a running turn.

export default defineConfig({
  agents: { hello },
});
`;

export function addInit(program: Command, world: World): void {
  program
    .command('init [folder]')
    .description('write a sojourn.config.ts to begin from; never overwrites')
    .action(async (given: string | undefined, _options: object, command: Command) => {
      const screen = new Screen(world, command.optsWithGlobals<{ json?: true }>().json === true);
      const folder = resolve(world.cwd, given ?? '.');
      mkdirSync(folder, { recursive: true });
      const there = configFile(folder);
      const file = there ?? join(folder, CONFIG_NAMES[0] ?? '');
      if (there === undefined) await writeFile(file, CONFIG, { flag: 'wx' });
      const ignored = await ignoreFolder(join(folder, '.gitignore'));
      screen.result({ config: file, written: there === undefined, ignored }, () =>
        there === undefined
          ? `Written: ${file}\nNext: ${COMMAND} dev, and in another terminal: ${COMMAND} chat`
          : `${file} is there already; it stays as it is.`,
      );
    });
}

/** The data folder holds every conversation and a token: it does not belong into a repository. */
async function ignoreFolder(file: string): Promise<boolean> {
  let lines = '';
  try {
    lines = await readFile(file, 'utf8');
  } catch {
    // There is none yet.
  }
  if (/^\/?\.sojourn\/?\s*$/m.test(lines)) return false;
  await appendFile(file, `${lines === '' || lines.endsWith('\n') ? '' : '\n'}.sojourn/\n`);
  return true;
}
