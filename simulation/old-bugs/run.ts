// Runs the worlds of some seeds, from SEED on, COUNT of them, of the kind in WORLDS; says what is wrong in the first where
// something is, and under which seed.
import type { Failure } from '../src/simulate.ts';

const [seed, count] = [Number(process.env['SEED']), Number(process.env['COUNT'] ?? 1)];
const seeds = { from: seed, count, shrinks: false };

/** Each loads what it needs, which is most of what it takes. */
const kinds: { readonly [kind: string]: () => Promise<string | null> } = {
  machines: async () => {
    const { runSeed } = await import('../world/run.ts');
    return first(async (each) =>
      runSeed(each).problems.map(({ word, text }) => `${word}: ${text}`),
    );
  },
  hosts: async () => {
    const { runHosts } = await import('../hosts/run.ts');
    return textOf((await runHosts(seeds)).failure);
  },
  leaps: async () => {
    const { runHosts } = await import('../hosts/run.ts');
    return textOf((await runHosts(seeds, { storage: 'sqlite', leaps: true })).failure);
  },
  past: async () => {
    const { runHosts } = await import('../hosts/run.ts');
    return textOf((await runHosts(seeds, { looksBack: true })).failure);
  },
  files: async () => {
    const { runFiles } = await import('../files/run.ts');
    return textOf((await runFiles(seeds)).failure);
  },
  authorities: async () => {
    const { runAuthorities } = await import('./authorities.ts');
    return textOf((await runAuthorities(seeds)).failure);
  },
  counts: async () => {
    const { runCounts } = await import('../counts/run.ts');
    return textOf((await runCounts(seeds)).failure);
  },
  parts: async () => {
    const { runParts } = await import('../parts/run.ts');
    return textOf((await runParts(seeds)).failure);
  },
  views: async () => {
    const { runViews } = await import('../views/run.ts');
    return textOf((await runViews(seeds)).failure);
  },
  records: async () => {
    const { runRecords } = await import('../records/run.ts');
    return textOf((await runRecords(seeds)).failure);
  },
  collections: async () => {
    const { runCollections } = await import('../collections/run.ts');
    return textOf((await runCollections(seeds)).failure);
  },
  open: async () => {
    const { runCollections } = await import('../collections/run.ts');
    return textOf((await runCollections(seeds, { isOpen: true })).failure);
  },
  tabs: async () => {
    const { runTabs } = await import('../tabs/run.ts');
    return textOf((await runTabs(seeds)).failure);
  },
  takeovers: async () => {
    const { runTakeovers } = await import('../tabs/takeover.ts');
    return textOf((await runTakeovers(seeds)).failure);
  },
  denials: async () => {
    const { runDenials } = await import('./denials.ts');
    return textOf((await runDenials(seeds)).failure);
  },
  windows: async () => {
    const { runWindows } = await import('./windows.ts');
    return textOf((await runWindows(seeds)).failure);
  },
  packs: async () => {
    const { runPacks } = await import('./packs.ts');
    return textOf((await runPacks(seeds)).failure);
  },
  uploads: async () => {
    const { runUploads } = await import('../uploads/run.ts');
    return textOf((await runUploads(seeds)).failure);
  },
  upgrades: async () => {
    const { runUpgrades } = await import('../upgrades/run.ts');
    return textOf((await runUpgrades(seeds)).failure);
  },
  edits: async () => {
    const { runEdits } = await import('../edits/run.ts');
    return textOf((await runEdits(seeds)).failure);
  },
  'edits of tabs': async () => {
    const { runEdits } = await import('../edits/run.ts');
    return textOf((await runEdits(seeds, { inTabs: true })).failure);
  },
  presence: async () => {
    const { runPresence } = await import('../presence/run.ts');
    return textOf((await runPresence(seeds)).failure);
  },
  deploys: async () => {
    const { runDeploys } = await import('../deploys/run.ts');
    return textOf((await runDeploys(seeds)).failure);
  },
  browsers: async () => {
    const { runBrowsers } = await import('../browser/run.ts');
    return textOf((await runBrowsers(seeds)).failure);
  },
  rights: async () => {
    const { runRights } = await import('../rights/run.ts');
    return textOf((await runRights(seeds)).failure);
  },
  locks: async () => {
    const { runLocks } = await import('../locks/run.ts');
    return textOf((await runLocks(seeds)).failure);
  },
  operators: async () => {
    const { runOperators } = await import('../operators/run.ts');
    return textOf((await runOperators(seeds, { storage: 'sqlite', leaps: true })).failure);
  },
  anew: async () => {
    const { runRecords } = await import('../records/run.ts');
    return textOf((await runRecords(seeds, { endsAnew: true })).failure);
  },
};

async function first(run: (seed: number) => Promise<readonly string[]>): Promise<string | null> {
  for (let each = seed; each < seed + count; each++) {
    const problems = await run(each);
    if (problems.length > 0) return [`SEED=${each}`, ...problems].join('\n');
  }
  return null;
}

function textOf(failure: Failure | null): string | null {
  return failure && [`SEED=${failure.seed}`, ...failure.problems].join('\n');
}

console.log((await kinds[process.env['WORLDS'] ?? 'machines']?.()) ?? 'nothing is wrong');
