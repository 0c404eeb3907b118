// The memory store, held to the suite that every store is held to.
import { describe, expect, test } from 'vitest';
import { storeConformance } from '../src/testing/store-conformance.ts';
import { MemoryDisk } from '../src/testing/memory/disk.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';

const disks = new Map<string, MemoryDisk>();

storeConformance({ describe, test, expect }, 'memory', async (folder, clock) => {
  const disk = disks.get(folder) ?? new MemoryDisk();
  disks.set(folder, disk);
  return new MemoryStore({ clock, disk, copies: disks });
});
