import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';

const imported = JSON.stringify(new URL('../src/error-log.ts', import.meta.url).href);
const program = `
  import { errorLog } from ${imported};
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

test('a server without a log tells what an error was caused by, to the end of it and no further', () => {
  const told = `
    import { errorLog } from ${imported};
    const deep = new Error('the disk', { cause: 'is full' });
    const round = new Error('round');
    const bare = new Error('bare', { cause: Object.create(null) });
    round.cause = round;
    errorLog.error({ err: new Error('the write', { cause: deep }) }, 'it failed');
    errorLog.error({ err: round }, 'it failed');
    errorLog.error({ err: bare }, 'it failed');
  `;
  const args = ['--conditions=@holdfast/source', '--input-type=module', '--eval', told];
  const lines = String(spawnSync(process.execPath, args).stderr).split('\n');
  expect(lines.filter((line) => !line.startsWith('    at '))).toEqual([
    'holdfast: it failed ',
    'Error: the write',
    'caused by Error: the disk',
    'caused by is full',
    'holdfast: it failed ',
    'Error: round',
    'holdfast: it failed ',
    'Error: bare',
    '',
  ]);
});
