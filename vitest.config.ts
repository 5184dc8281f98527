import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'packages/*/e2e/**/*.test.ts',
      'simulation/**/*.test.ts',
      'tools/**/*.test.ts',
    ],
    reporters: ['default', './tools/tally.ts'],
  },
});
