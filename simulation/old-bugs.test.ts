import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { oldBugs } from './old-bugs/bugs.ts';

const run = promisify(execFile);
const hook = ['--conditions=@holdfast/source', '--import', './simulation/old-bugs/hook.ts'];

describe.concurrent('an old bug is found again, under the seed that found it, when it is switched on:', () => {
  it.each(Object.entries(oldBugs))('%s', { timeout: 240_000 }, async (name, bug) => {
    const env = { ...process.env, OLD_BUG: name, WORLDS: bug.worlds, SEED: String(bug.seed) };
    const { stdout } = await run(process.execPath, [...hook, 'simulation/old-bugs/run.ts'], {
      env,
      // A failure shows what was on screen, and that may be much.
      maxBuffer: 2 ** 24,
    });
    expect(stdout).toMatch(bug.says);
  });
});
