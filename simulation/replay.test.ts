import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { runAccounts } from './accounts/run.ts';
import { runBrowsers } from './browser/run.ts';
import { runCollections } from './collections/run.ts';
import { runCounts } from './counts/run.ts';
import { runDeploys } from './deploys/run.ts';
import { runEdits } from './edits/run.ts';
import { runFeeds } from './feeds/run.ts';
import { runFiles } from './files/run.ts';
import { runGuards } from './guards/run.ts';
import { runHoldings } from './holdings/run.ts';
import { runHosts } from './hosts/run.ts';
import { runAuthorities } from './old-bugs/authorities.ts';
import { runDenials } from './old-bugs/denials.ts';
import { runPacks } from './old-bugs/packs.ts';
import { runWindows } from './old-bugs/windows.ts';
import { runOperators } from './operators/run.ts';
import { runParts } from './parts/run.ts';
import { runPresence } from './presence/run.ts';
import { runRecords } from './records/run.ts';
import { runRights } from './rights/run.ts';
import { badWeather } from './src/faults.ts';
import { type Seeds, simulate } from './src/simulate.ts';
import type { World } from './src/world.ts';
import { runTabs } from './tabs/run.ts';
import { runTakeovers } from './tabs/takeover.ts';
import { runTransfers } from './transfers/run.ts';
import { runUploads } from './uploads/run.ts';
import { runUpgrades } from './upgrades/run.ts';
import { runViews } from './views/run.ts';
import { runWebhooks } from './webhooks/run.ts';

const seed = Number(process.env['SEED'] ?? 3);

type Run = (seeds: Seeds) => Promise<unknown>;

const worlds: { readonly [kind: string]: Run } = {
  hosts: runHosts,
  'hosts that look back, on SQLite files': (seeds) =>
    runHosts(seeds, { storage: 'sqlite', looksBack: true }),
  'hosts where little may wait': (seeds) => runHosts(seeds, { isNarrow: true }),
  'hosts that compress': (seeds) => runHosts(seeds, { deflates: true }),
  parts: runParts,
  files: runFiles,
  holdings: runHoldings,
  uploads: runUploads,
  feeds: runFeeds,
  webhooks: runWebhooks,
  upgrades: runUpgrades,
  edits: runEdits,
  'edits in tabs': (seeds) => runEdits(seeds, { inTabs: true }),
  guards: runGuards,
  'guards in tabs': (seeds) => runGuards(seeds, { inTabs: true }),
  accounts: runAccounts,
  'accounts in tabs': (seeds) => runAccounts(seeds, { inTabs: true }),
  rights: runRights,
  views: runViews,
  records: runRecords,
  collections: runCollections,
  'collections where nothing is hidden': (seeds) => runCollections(seeds, { isOpen: true }),
  browsers: runBrowsers,
  presence: runPresence,
  deploys: runDeploys,
  transfers: runTransfers,
  tabs: runTabs,
  'takeovers of tabs': (seeds) => runTakeovers(seeds, ['crashes']),
  operators: (seeds) => runOperators(seeds, { leaps: true }),
  'operators on SQLite files': (seeds) => runOperators(seeds, { storage: 'sqlite' }),
  counts: runCounts,
  denials: runDenials,
  packs: runPacks,
  windows: runWindows,
  authorities: runAuthorities,
};

/** What the trace of a world is, the first time and the next. */
async function twice(run: Run): Promise<readonly string[]> {
  const traces: string[] = [];
  const note = (_done: number, trace: string): void => void traces.push(trace);
  for (let left = 2; left > 0; left--) {
    await run({ from: seed, count: 1, shrinks: false, progress: note });
  }
  return traces;
}

function programOf(pause: (world: World) => number): Run {
  const program = async (world: World): Promise<void> => {
    for (let round = 0; round < 5; round++) {
      world.device('ann').store('acme/app').put(`notes/${randomUUID()}`, Math.random());
      await world.sleep(pause(world));
    }
  };
  return (seeds) => simulate({ program, faults: badWeather }, seeds);
}

describe('a world is the same again under its seed, to the last message:', () => {
  it.each(Object.entries(worlds))('one of %s', { timeout: 300_000 }, async (_kind, run) => {
    const [first, next] = await twice(run);
    expect(first).toMatch(/^\d+-[\da-f]+$/);
    expect(next).toBe(first);
  });

  it('one whose program draws and names as the platform does', { timeout: 300_000 }, async () => {
    const [first, next] = await twice(programOf(() => 500 * Math.random()));
    expect(next).toBe(first);
  });

  it(
    'and is seen not to be where a program asks the real clock',
    { timeout: 300_000 },
    async () => {
      const [first, next] = await twice(programOf(() => performance.now() % 500));
      expect(first).toMatch(/^\d+-[\da-f]+$/);
      expect(next).not.toBe(first);
    },
  );
});
