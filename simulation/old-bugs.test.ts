import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { oldBugs } from './old-bugs/bugs.ts';
import type { OldBug } from './old-bugs/old-bug.ts';

const run = promisify(execFile);
const hook = ['--conditions=@holdfast/source', '--import', './simulation/old-bugs/hook.ts'];

/** What the worlds say that find a bug, where something is brought back. */
async function said(name: string, bug: OldBug, more: { readonly [name: string]: string } = {}) {
  const env = {
    ...process.env,
    OLD_BUG: name,
    WORLDS: bug.worlds,
    SEED: String(bug.seed),
    ...more,
  };
  const { stdout } = await run(process.execPath, [...hook, 'simulation/old-bugs/run.ts'], {
    env,
    // A failure shows what was on screen, and that may be much.
    maxBuffer: 2 ** 24,
  });
  return stdout;
}

describe.concurrent('an old bug is found again, under the seed that found it, when it is switched on:', () => {
  it.each(Object.entries(oldBugs))('%s', { timeout: 240_000 }, async (name, bug) => {
    expect(await said(name, bug)).toMatch(bug.says);
  });
});

describe.concurrent('without the bug nothing is wrong, though all else is as it is looked for:', () => {
  const some = Object.entries(oldBugs).filter(([, { beside }]) => beside !== undefined);
  it.each(some)('%s', { timeout: 240_000 }, async (name, bug) => {
    expect(await said(name, bug, { BESIDE: 'alone', COUNT: '4' })).toContain('nothing is wrong');
  });
});
