// Rest: when nothing of a runtime is under way any more.

const TURNS = 30;

/** Resolves when so many turns of the event loop have passed in which nothing was on its way to the disk. */
export async function atRest(isStill: () => boolean): Promise<void> {
  for (let still = 0; still < TURNS; still = isStill() ? still + 1 : 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
