// Optional package: a library that only some need, loaded when it is needed first.
import { SojournError } from './errors.ts';

/** What `load` imports. Throws `agent.package_missing`, naming the command that installs it; a broken one throws as it does. */
export async function optionalPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause;
    throw new SojournError('agent.package_missing', `${name} could not be loaded: npm install ${name}`, {
      cause,
    });
  }
}
