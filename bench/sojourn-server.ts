// Sojourn under measurement: the runtime, its store and its HTTP face, with the echo agent.
throw new Error('The runtime is not there yet: measure the floors with --only F0,F1,F2');
