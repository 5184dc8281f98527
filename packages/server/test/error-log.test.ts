import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';

const program = `
  import { errorLog } from ${JSON.stringify(new URL('../src/error-log.ts', import.meta.url).href)};
  errorLog.error({ err: new Error('no') }, 'it failed');
  errorLog.error({ err: new Error('no') }, 'it failed again');
  setImmediate(() => setImmediate(() => console.log('it lives')));
`;

test.runIf(process.platform === 'linux')(
  'a server without a log goes on where standard error cannot be written to',
  () => {
    const full = openSync('/dev/full', 'w');
    const args = ['--conditions=@holdfast/source', '--input-type=module', '--eval', program];
    const { stdout, status } = spawnSync(process.execPath, args, {
      stdio: ['ignore', 'pipe', full],
    });
    closeSync(full);
    expect([status, String(stdout)]).toEqual([0, 'it lives\n']);
  },
);
