// F0: nothing is kept; what a restart forgets is gone.
import { serveFloor } from './app.ts';

serveFloor({
  load: () => [],
  delta: () => undefined,
  turn: () => undefined,
});
