// Open store: the store that the separate benches measure, as the server would open it.
import { mkdirSync } from 'node:fs';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLogger } from '../../src/kernel/logger.ts';
import { sqliteStore } from '../../src/store/sqlite/sqlite.ts';
import type { NewSession, Store } from '../../src/store/store.ts';

/** A run of the bench stays far below a full disk, so it may also run where little is free. */
const LIMITS = { freeBytesMin: 0, ballastBytes: 1_024 };

export async function openStore(folder: string): Promise<Store> {
  mkdirSync(folder, { recursive: true });
  return sqliteStore({ folder, clock: systemClock, logger: silentLogger, limits: LIMITS });
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
