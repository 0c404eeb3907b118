// A program that supervises, to be killed: it starts what its arguments name, says so, and waits.
import { systemClock } from '../src/kernel/clock.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { Supervisor } from '../src/process/supervisor.ts';
import { node, STUBBORN } from './process-scene.ts';

const [folder = '', tag = '', count = '1'] = process.argv.slice(2);
const supervisor = new Supervisor();
for (let started = 0; started < Number(count); started += 1) {
  const subprocess = await supervisor.start({
    ...node(STUBBORN),
    cwd: folder,
    env: { SCRIPT: STUBBORN, TAG: tag },
    clock: systemClock,
    logger: silentLogger,
  });
  subprocess.stdout.on('data', (chunk: Uint8Array) => process.stdout.write(chunk));
}
