import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const hook = ['--conditions=@holdfast/source', '--import', './simulation/old-bugs/hook.ts'];

/** Kinds of worlds, with an old bug that they find, under a seed, and how few of their steps that takes. */
const worlds = [
  {
    kind: '--tabs',
    bug: 'a second tab got what the first had left of a state',
    seed: 26,
    most: 20,
  },
  {
    kind: '--windows',
    bug: 'a row that left its window and came back before a snapshot was empty',
    seed: 11,
    most: 10,
  },
  {
    kind: '--authorities',
    bug: 'a batch whose fate was unknown was decided anew, after what it preceded',
    seed: 233,
    most: 60,
  },
] as const;

describe.concurrent('given an old bug, when worlds of a kind are simulated,', () => {
  it.each(worlds)(
    'then the failure is told in as few steps as it takes, with the command that tells it once more: $kind',
    { timeout: 240_000 },
    async ({ kind, bug, seed, most }) => {
      const env = { ...process.env, OLD_BUG: bug };
      const simulate = async (flags: readonly string[]): Promise<readonly string[]> => {
        const ran = run(
          process.execPath,
          [...hook, 'simulation/simulate.ts', ...flags, '--shrink', '600'],
          { env },
        );
        const { stdout } = await ran.catch((error: { readonly stdout: string }) => error);
        return stdout.slice(stdout.indexOf('SEED=')).trimEnd().split('\n');
      };
      const first = await simulate([kind, '--from', String(seed - 1), '--seeds', '3']);
      const [, again = ''] = (first.at(-1) ?? '').split('once more: npm run simulate -- ');
      expect(again).toBe(`${kind} --seed ${seed}`);
      const [enough, transcript] = [first.findIndex(isCounted), first.indexOf('the transcript:')];
      const steps = first.slice(enough + 1, transcript);
      expect(steps.length).toBeLessThan(most);
      expect(first[enough]).toBe(`0 faults and ${steps.length} steps are enough:`);
      expect(first.length).toBeGreaterThan(transcript + 2);
      expect(await simulate(again.split(' '))).toEqual(first);
    },
  );
});

function isCounted(line: string): boolean {
  return line.endsWith(' steps are enough:');
}
