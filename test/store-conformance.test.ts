// The SQLite store, held to the suite that every store is held to.
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../src/kernel/logger.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { storeConformance } from '../src/testing/store-conformance.ts';

const limits = { freeBytesMin: 0, ballastBytes: 0 };

storeConformance({ describe, test, expect }, 'SQLite', (folder, clock) =>
  sqliteStore({ folder, clock, logger: silentLogger, limits }),
);
