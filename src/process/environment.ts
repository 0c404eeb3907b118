// Environment: what a process is told of ours.
//
//   V1. It gets PATH, HOME, LANG and TMPDIR, and what whoever starts it names. Nothing else: a key that is set for us is
//       not set for a stranger's program.
//   V2. What would load code into every program below it is refused by name.
import { SojournError } from '../kernel/errors.ts';

export interface EnvironmentOptions {
  /** Values of the starter's own. */
  env?: Readonly<Record<string, string>>;
  /** Names whose values are taken from our own environment, where they are set there. */
  inherit?: readonly string[];
}

const ALWAYS = ['PATH', 'HOME', 'LANG', 'TMPDIR'];

const REFUSED = /^(LD_.*|DYLD_.*|NODE_OPTIONS|PYTHONSTARTUP|PERL5OPT|RUBYOPT|BASH_ENV|ENV|GIT_SSH_COMMAND)$/i;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Throws `config.invalid` naming what may not be set. */
export function environment({ env = {}, inherit = [] }: EnvironmentOptions): Record<string, string> {
  const made: Record<string, string> = {};
  for (const name of [...ALWAYS, ...inherit.map(checked)]) {
    const value = process.env[name]; // V1
    if (value !== undefined) made[name] = value;
  }
  for (const [name, value] of Object.entries(env)) {
    if (typeof value !== 'string' || value.includes('\0')) {
      throw new SojournError(
        'config.invalid',
        `The value of ${checked(name)} is no text that can be passed on`,
      );
    }
    made[checked(name)] = value;
  }
  return made;
}

/** V2. */
function checked(name: string): string {
  if (!NAME.test(name)) {
    throw new SojournError('config.invalid', `${JSON.stringify(name)} is no name of an environment variable`);
  }
  if (REFUSED.test(name)) {
    throw new SojournError(
      'config.invalid',
      `${name} loads code into every program it reaches: leave it out`,
    );
  }
  return name;
}
