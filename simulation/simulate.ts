// npm run simulate -- --seeds 100000 [--from 7]: runs the worlds of many seeds: of machines, or of whole hosts with --hosts
// (on SQLite files with --hosts --sqlite, looking back with --hosts --past), of clients that hold parts with --parts,
// of files with --files, of files of two orgs that are collected with --holdings, of uploads with --uploads, of server-
// sent events with --feeds, of applications that are upgraded with --upgrades, of undo with --edits, of guards and
// leases with --guards, of webhooks with --webhooks, of views with --views, of records with --records, of collections
// with --collections (of which nothing is hidden with --collections --open), of tabs with both views and queries with
// --browsers, of presence with --presence, of deploys of another major of records with --deploys, of transfers by
// servers and clients at once with --transfers, of several accounts at one machine with --accounts, of rights that come
// and go with --rights, of locks whose holders lose theirs with --locks, of two at one server and each alone with --twins,
// of what operators do to stores with --operators, of tabs that share what they keep with --tabs, and of the one that
// leads, which ends, with --takeovers. With --narrow little may wait for who reads slowly. With --deflate messages of
// hosts are compressed; with --tabs edits, guards and accounts are those of tabs. Worlds that do one thing over and over:
// --authorities, --windows, --counts, --denials, --packs.
// npm run simulate -- --seed 7 [--hosts …]: runs one again, to the last message. What fails is told in as few steps as it
// takes, which are looked for for a minute at most; for longer or less with --shrink SECONDS.
import { parseArgs } from 'node:util';
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
import { runLocks } from './locks/run.ts';
import { runAuthorities } from './old-bugs/authorities.ts';
import { runDenials } from './old-bugs/denials.ts';
import { runPacks } from './old-bugs/packs.ts';
import { runWindows } from './old-bugs/windows.ts';
import { runOperators } from './operators/run.ts';
import { runParts } from './parts/run.ts';
import { runPresence } from './presence/run.ts';
import { runRecords } from './records/run.ts';
import { runRights } from './rights/run.ts';
import { type Failure, failureText } from './src/simulate.ts';
import { runTabs } from './tabs/run.ts';
import { runTakeovers } from './tabs/takeover.ts';
import { runTransfers } from './transfers/run.ts';
import { runTwins } from './twins/run.ts';
import { runUploads } from './uploads/run.ts';
import { runUpgrades } from './upgrades/run.ts';
import { runViews } from './views/run.ts';
import { runWebhooks } from './webhooks/run.ts';
import { runSeeds } from './world/run.ts';

const progressMs = 5000;
const flag = { type: 'boolean', default: false } as const;

const { values } = parseArgs({
  options: {
    help: flag,
    seeds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
    shrink: { type: 'string', default: '60' },
    hosts: flag,
    sqlite: flag,
    parts: flag,
    files: flag,
    holdings: flag,
    views: flag,
    records: flag,
    collections: flag,
    browsers: flag,
    uploads: flag,
    feeds: flag,
    webhooks: flag,
    upgrades: flag,
    edits: flag,
    guards: flag,
    presence: flag,
    deploys: flag,
    transfers: flag,
    accounts: flag,
    takeovers: flag,
    rights: flag,
    operators: flag,
    locks: flag,
    twins: flag,
    authorities: flag,
    windows: flag,
    counts: flag,
    denials: flag,
    packs: flag,
    open: flag,
    past: flag,
    tabs: flag,
    deflate: flag,
    narrow: flag,
    leaps: flag,
    asked: flag,
  },
});
const one = values.seed ?? process.env['SEED'];
const count = one === undefined ? Number(values.seeds ?? 1000) : Number(values.seeds ?? 1);
const from = Number(one ?? values.from ?? Date.now() % 1_000_000_000);
const shrinkMs = 1000 * Number(values.shrink);
const seeds = { from, count, progress, shrinkMs, shrinking };
const kinds = [
  'parts',
  'files',
  'holdings',
  'views',
  'records',
  'collections',
  'browsers',
  'hosts',
  'uploads',
  'feeds',
  'webhooks',
  'upgrades',
  'edits',
  'guards',
  'presence',
  'deploys',
  'transfers',
  'accounts',
  'takeovers',
  'rights',
  'operators',
  'locks',
  'twins',
  'authorities',
  'windows',
  'counts',
  'denials',
  'packs',
  // Last, for it says of some of the others what they are like.
  'tabs',
] as const;
if (values.help) {
  console.log(
    'npm run simulate -- [--KIND …] [--seeds N] [--from N | --seed N] [--shrink SECONDS]',
  );
  console.log(
    `kinds: of machines, where none is named; ${kinds.map((name) => `--${name}`).join(' ')}`,
  );
  process.exit();
}
const kind = kinds.find((name) => values[name]) ?? 'machines';
console.log(`${count} seeds of ${kind} from ${from}`);

const ground = { storage: values.sqlite ? 'sqlite' : 'memory', leaps: values.leaps } as const;

type Run = () => Promise<{ readonly failure: Failure | null }>;

const run: { readonly [Kind in Exclude<typeof kind, 'machines'>]: Run } = {
  hosts: () =>
    runHosts(seeds, {
      ...ground,
      looksBack: values.past,
      deflates: values.deflate,
      isNarrow: values.narrow,
    }),
  parts: () => runParts(seeds),
  files: () => runFiles(seeds),
  holdings: () => runHoldings(seeds, ground),
  views: () => runViews(seeds),
  collections: () => runCollections(seeds, { isOpen: values.open }),
  browsers: () => runBrowsers(seeds),
  uploads: () => runUploads(seeds),
  feeds: () => runFeeds(seeds),
  webhooks: () => runWebhooks(seeds),
  upgrades: () => runUpgrades(seeds),
  edits: () => runEdits(seeds, { inTabs: values.tabs }),
  guards: () => runGuards(seeds, { inTabs: values.tabs }),
  presence: () => runPresence(seeds),
  deploys: () => runDeploys(seeds),
  transfers: () => runTransfers(seeds, { isAsked: values.asked }),
  accounts: () => runAccounts(seeds, { inTabs: values.tabs }),
  takeovers: () => runTakeovers(seeds),
  rights: () => runRights(seeds),
  operators: () => runOperators(seeds, ground),
  locks: () => runLocks(seeds),
  twins: () => runTwins(seeds),
  authorities: () => runAuthorities(seeds),
  windows: () => runWindows(seeds),
  counts: () => runCounts(seeds),
  denials: () => runDenials(seeds),
  packs: () => runPacks(seeds),
  tabs: () => runTabs(seeds),
  records: async () => {
    const { failure: found, world } = await runRecords(seeds);
    const { shown, asked, commits } = world;
    return { failure: found, shown, asked, commits };
  },
};

let told = performance.now();
const failure = kind === 'machines' ? await ofMachines() : await ofWorlds(kind);
console.log(
  failure === null ? 'nothing is wrong' : `${failure.text}\nonce more: ${again(failure.seed)}`,
);
process.exitCode = failure === null ? 0 : 1;

type Found = { readonly seed: number; readonly text: string } | null;

async function ofWorlds(of: keyof typeof run): Promise<Found> {
  const { failure: found, ...figures } = await run[of]();
  console.log(figures);
  return found && { seed: found.seed, text: failureText(found) };
}

function isEnough(done: number): boolean {
  progress(done);
  return done >= count;
}

async function ofMachines(): Promise<Found> {
  const result = await runSeeds(from, isEnough, { limitMs: shrinkMs, tell: shrinking });
  console.log(result.traffic);
  return result.failure === null ? null : { seed: from + result.seeds, text: result.failure };
}

/** What runs that world once more, and no other. */
function again(seed: number): string {
  const { seeds: _seeds, seed: _seed, from: _from, shrink: _shrink, ...rest } = values;
  const flags = Object.entries(rest).flatMap(([name, isSet]) => (isSet ? [`--${name}`] : []));
  return ['npm run simulate --', ...flags, `--seed ${seed}`].join(' ');
}

function progress(done: number): void {
  say(`${done} of ${count} seeds`);
}

function shrinking(left: number): void {
  say(`something is wrong; it still is with ${left} of what was done`);
}

/** At times. */
function say(text: string): void {
  if (performance.now() - told < progressMs) return;
  told = performance.now();
  console.log(text);
}
