// Start: the commands that run a server. What they do is loaded only then, so that the other commands begin at once.
import type { Command } from 'commander';
import { wholeNumber } from './desk.ts';
import type { PlaceOptions } from './place.ts';
import type { World } from './world.ts';

export interface StartOptions extends PlaceOptions {
  port?: number;
  host?: string;
  config?: string;
  log?: true;
  allowHost?: string[];
  allowOrigin?: string[];
  behindProxy?: true;
  trustedProxy?: string[];
}

export function addStart(program: Command, world: World): void {
  withOptions(program.command('start').description('start the server')).action(
    async (_options: object, command: Command) => {
      const { serve } = await import('./serve.ts');
      await serve(world, command.optsWithGlobals<StartOptions>(), false);
    },
  );
  withOptions(
    program
      .command('dev')
      .description('start the server, and take up each change of its config while it runs'),
  ).action(async (_options: object, command: Command) => {
    const { serve } = await import('./serve.ts');
    await serve(world, command.optsWithGlobals<StartOptions>(), true);
  });
}

const MODELS = `
Without a config, the environment names the model; the first that is set counts:
  ANTHROPIC_API_KEY   Anthropic, or what ANTHROPIC_BASE_URL names
  OPENAI_BASE_URL     any compatible server, with OPENAI_API_KEY where it wants one
  OPENAI_API_KEY      OpenAI
  OLLAMA_HOST         that Ollama; OLLAMA_CONTEXT_LENGTH, as it was started with, is its models' window
  SOJOURN_MODEL       the model's name; a compatible server without one is asked for its first
With none of them, the scripted agent answers; SOJOURN_SCRIPTED_MS is its pace, in ms a word.`;

function withOptions(command: Command): Command {
  return command
    .addHelpText('after', MODELS)
    .option('-p, --port <port>', 'default PORT, else 4242; 0 picks a free one', wholeNumber(0))
    .option('--host <address>', 'default HOST, else this machine only')
    .option('-c, --config <file>', 'default sojourn.config.ts, where there is one')
    .option('--log', 'log lines to stderr instead of into the data folder')
    .option('--allow-host <name...>', 'names that clients may call it by')
    .option('--allow-origin <origin...>', 'other origins whose pages may call it')
    .option('--behind-proxy', 'a proxy that ends TLS stands in front')
    .option('--trusted-proxy <range...>', 'addresses whose X-Forwarded-For is believed');
}
