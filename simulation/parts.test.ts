import { expect, it } from 'vitest';
import { runParts } from './parts/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['PART_SEEDS'] ?? 8);

it(
  'S83 S101 S102 clients that hold parts of a store, whatever they widen and narrow and whatever their rules become, are brought nothing else, end with all of it, and write nothing else (P59, P60, P75, P76)',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, passed, written } = await runParts({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(passed).toBeGreaterThan(20 * seeds);
    expect(written).toBeGreaterThan(seeds);
  },
);

it.each([
  { seed: 43, what: 'events that a sleeping guest hears' },
  { seed: 436, what: 'a snapshot that a sleeping guest hears' },
])(
  '$what more than 5 s after its rules changed are no fault where the server sent them within that time (seed $seed)',
  { timeout: 240_000 },
  async ({ seed }) => {
    const { failure } = await runParts({ from: seed, count: 1, shrinks: false });
    expect(failure?.problems ?? []).toEqual([]);
  },
);

it(
  'who is brought up to date, and is cut off as the weather clears, comes back before what they show is compared',
  { timeout: 240_000 },
  async () => {
    const { failure } = await runParts({ from: 1092, count: 1, shrinks: false });
    expect(failure?.problems ?? []).toEqual([]);
  },
);

it(
  'are seen to fail where the server takes a second longer to take in a change of rules than it may',
  { timeout: 240_000 },
  async () => {
    const { failure } = await runParts({ from: 1, count: 10, shrinks: false, lagMs: 6000 });
    expect(failure?.problems.join('\n')).toMatch(/scoped: guest: \w+ brings \S+ to who has/);
  },
);

it(
  'are seen to fail where the server counts among what a join has brought what it denies',
  { timeout: 240_000 },
  async () => {
    const { failure } = await runParts({ from: 104, count: 1, feigns: true });
    expect(failure?.problems.join('\n')).toMatch(/denied: guest is told ready of \S+/);
  },
);

it(
  'are seen to fail where the server leaves out some of what it tells',
  { timeout: 240_000 },
  async () => {
    const { failure } = await runParts({ from: 1, count: 10, shrinks: false, leavesOut: true });
    expect(failure?.problems.join('\n')).toMatch(/converged: \w+ shows .* of \S+ instead of/);
  },
);

it.each([
  { forgets: 'read', seen: /scoped: guest: \w+ brings \S+ to who has/ },
  { forgets: 'write', seen: /barred: the guest wrote \S+ at \d+ ms/ },
] as const)(
  'are seen to fail where the server forgets who may $forgets what',
  { timeout: 240_000 },
  async ({ forgets, seen }) => {
    const { failure } = await runParts({ from: 1, count: 10, forgets });
    expect(failure?.problems.join('\n')).toMatch(seen);
  },
);
