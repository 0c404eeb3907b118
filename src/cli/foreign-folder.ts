// Foreign folder: one that holds other things than ours, and no database of ours. A server closes all that lies in its
// data folder to everybody but its owner, so somebody's project or home is never taken for one.
import { readdirSync, statSync } from 'node:fs';

const DATABASE = /^(?:sojourn|lock)\.db/;
/** What may lie there before the first start, a config among it, or be left when the database is lost. */
const BESIDE = /^(?:token|sign-in|address|sojourn\.(?:log|config)|artifacts|ballast|lost\+found)/;

export function isForeignFolder(folder: string): boolean {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  const names = readdirSync(folder);
  return !names.some((name) => DATABASE.test(name)) && names.some((name) => !BESIDE.test(name));
}
