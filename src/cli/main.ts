// Main: the process as the world of the command line. The only file that reads the environment.
import { run } from './program.ts';

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

// Nobody is left to be told.
process.stderr.on('error', () => undefined);

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal(name, act) {
    process.on(name, act);
    return () => process.off(name, act);
  },
  exit: (code) => process.exit(code),
});
