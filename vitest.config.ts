import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['sojourn-source'] },
  ssr: { resolve: { conditions: ['sojourn-source'] } },
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
