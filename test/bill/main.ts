// The simulation of one bill, at length: `npm run test:simulation -- [seeds] [first seed]`. Each seed is another tree of
// about two hundred children, with its own plan and its own order of everything that waits. The first that breaks a rule
// ends it, and is told with what plays it again.
import { LARGE, simulated } from './simulation.ts';

const SEEDS = 2_000;
const TOLD_EVERY = 50;

const [seeds = SEEDS, first = 1] = process.argv.slice(2).map(Number);
let children = 0;
for (let count = 1; count <= seeds; count += 1) {
  const seed = first + count - 1;
  try {
    children += (await simulated(LARGE, 1, seed)).children;
  } catch (error) {
    console.error(`Seed ${seed}: npm run test:simulation -- 1 ${seed} plays it again.`);
    throw error;
  }
  if (count % TOLD_EVERY === 0 || count === seeds)
    console.log(`${count} seeds of ${seeds} passed, with ${children} children.`);
}
