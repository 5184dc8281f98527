import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import LongestFirst from './tools/longest-first.ts';
import { seed } from './tools/seed.ts';

/** They leave nothing behind, so that modules need not be loaded for each file anew. */
const clean = ['packages/{cli,conformance,engine,protocol,server}/test/**/*.test.ts'];

/** Tests that hold a clock or a memory to a limit, or drive a browser: nothing runs beside them. */
const alone = [
  'packages/*/e2e/**/*.test.ts',
  'examples/*/e2e/**/*.test.ts',
  'packages/client/test/{connection,lease,revocation}.test.ts',
  'packages/engine/test/replica/sync.test.ts',
  'packages/server/test/catch-up/{large,slow,weather}.test.ts',
  'packages/server/test/files/upload.test.ts',
  'packages/server/test/host/memory.test.ts',
  'packages/server/test/http/transfer.test.ts',
  'packages/server/test/phoenix/dust.test.ts',
  'packages/server/test/scopes/{parts,rules}.test.ts',
  'packages/server/test/security/bombs.test.ts',
  'simulation/fuzz.test.ts',
];

/** Tests that mostly wait for processes to die and to come back. */
const ordeals = ['simulation/{chaos,crash}.test.ts'];

export default defineConfig({
  resolve: { conditions: ['@holdfast/source'] },
  ssr: { resolve: { conditions: ['@holdfast/source'] } },
  test: {
    setupFiles: ['./tools/chance.ts'],
    env: {
      HOLDFAST_SEED: String(seed),
      // Commands and servers that tests start over and over have been compiled already.
      NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled'),
    },
    // The parser of the MCP client has a condition `source` too, and TypeScript there that only Vite takes.
    server: {
      deps: { inline: [/@modelcontextprotocol\/sdk\/dist\/esm\/client/, /eventsource-parser/] },
    },
    reporters: ['default', './tools/tally.ts'],
    // A machine that is busy is no failure: where time is what is tested, the test says how much.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'clean',
          include: clean,
          exclude: alone,
          isolate: false,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: [
            'packages/*/test/**/*.test.{ts,tsx}',
            'examples/*/test/**/*.test.ts',
            'simulation/**/*.test.ts',
            'tools/**/*.test.ts',
            'bench/**/*.test.ts',
          ],
          exclude: [...clean, ...alone, ...ordeals],
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: alone,
          maxWorkers: 1,
          // A machine can stall for a second, but not three times; the tally names what was tried again.
          retry: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'ordeals',
          include: ordeals,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
