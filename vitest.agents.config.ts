// The tests with real agents: `npm run test:agents` brings the agents, and runs these files one after the other.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['sojourn-source'] },
  ssr: { resolve: { conditions: ['sojourn-source'] } },
  test: {
    include: ['test/agents/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
