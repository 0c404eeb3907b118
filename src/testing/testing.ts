// Testing: what an author of an agent or a backend needs to know that it keeps its contract.
export * from './agent-conformance.ts';
export * from './manual-clock.ts';
export * from './memory-store.ts';
export * from './test-runtime.ts';
export * from './test-turn.ts';
export * from './store-conformance.ts';
