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
    // The parser of the MCP client has a condition `source` too, and TypeScript there that only Vite takes.
    server: {
      deps: { inline: [/@modelcontextprotocol\/sdk\/dist\/esm\/client/, /eventsource-parser/] },
    },
    reporters: ['default', './tools/tally.ts'],
  },
});
