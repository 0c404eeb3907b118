// Breath: a pause in long work, so that the event loop is never held up by it.

/** Resolves when all else that is ready has run. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
