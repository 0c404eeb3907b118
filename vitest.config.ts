import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

// Every store of a test has a thread of its own, every server a process, and all of them load the same sources: Node keeps
// them compiled, which halves what such a test costs.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url));

export default defineConfig({
  resolve: { conditions: ['sojourn-source'] },
  ssr: { resolve: { conditions: ['sojourn-source'] } },
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.ts'],
    // These run real coding agents, which `npm run test:agents` installs first.
    exclude: [...configDefaults.exclude, 'test/agents/**'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
