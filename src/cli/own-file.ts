// Own file: secrets and addresses in the data folder, readable by their owner only and never seen half written.
import { renameSync, rmSync, writeFileSync } from 'node:fs';

export function writeOwn(file: string, text: string): void {
  const whole = `${file}.new`;
  rmSync(whole, { force: true });
  writeFileSync(whole, text, { mode: 0o600, flag: 'wx' });
  renameSync(whole, file);
}
