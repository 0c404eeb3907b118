// Open store: the store that the separate benches measure, as the server would open it.
import type { NewSession, Store } from '../../src/store/store.ts';

export async function openStore(folder: string): Promise<Store> {
  throw new Error(`There is no store to open in ${folder} yet`);
}

export function newSession(key: string, at: number): NewSession {
  return {
    id: `session-${key}`,
    project: 'default',
    key,
    agent: 'echo',
    owner: null,
    maker: null,
    channel: null,
    parent: null,
    title: null,
    summary: null,
    labels: [],
    metadata: '{}',
    budget: '{}',
    at,
  };
}
