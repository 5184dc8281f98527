import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commands } from '../src/commands.ts';
import { exitCodeRows, exitCodes, exitCodeText, outcomeOf } from '../src/exit-codes.ts';
import { linesOf, onTerminal } from './harness.ts';

/** Runs a command that must not get as far as a server. */
async function misused(...args: string[]): Promise<string> {
  const env = { HOLDFAST_URL: 'http://127.0.0.1:1', NO_COLOR: '1' };
  const { code, stdout, stderr } = await onTerminal(args, { env });
  expect({ code, stdout }).toEqual({ code: exitCodes.usage.exit, stdout: '' });
  expect(stderr).not.toContain('    at ');
  return stderr;
}

test('unknown commands and options are errors that name the nearest', async () => {
  expect(await misused('pub')).toMatch(/no command "pub"/);
  expect(await misused('get', 'demo/main', 'a', '--ur', 'x')).toMatch(/no option --ur[^]*--url/);
  expect(await misused('put', 'demo/main', 'a', '1', '--ifMatch', '1')).toMatch(
    /no option --ifMatch/,
  );
  expect(await misused('put', 'demo/main', 'a', '1', '-x')).toMatch(/no option -x/);
  expect(await misused('stores', 'create')).toMatch(/STORE/);
  expect(await misused('stores', 'lost')).toMatch(/lost/);
});

test('a slip of a letter or two is taken for what is nearest, and what is far from all for nothing', async () => {
  expect(await misused('gte', 'demo/main', 'a')).toMatch(/Did you mean "get"/);
  expect(await misused('exprot', 'demo/main')).toMatch(/Did you mean "export"/);
  expect(await misused('getfile', 'demo/main', 'a')).toMatch(/Did you mean "get-file"/);
  expect(await misused('stores', 'craete', 'a/b')).toMatch(/Did you mean "stores create"/);
  expect(await misused('tail', 'demo/main', '--sicne', '1')).toMatch(/Did you mean --since/);
  expect(await misused('put', 'demo/main', 'a', '1', '--ifMatch', '1')).toMatch(/--if-match/);
  expect(await misused('get', 'demo/main', 'a', '--zzz')).not.toMatch(/Did you mean/);
  expect(await misused('zzz')).not.toMatch(/Did you mean/);
});

test('a list of ops that is given and empty, as that of a variable that is not set, is not taken for all of them', async () => {
  for (const list of ['', ' , ']) {
    const hook = ['webhooks', 'create', 'demo/main', 'https://example.org/hook'];
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await misused(...hook, '--ops', list)).toMatch(/--ops is an empty list[^]*all ops/);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await misused('tail', 'demo/main', '--op', list)).toMatch(/--op is an empty list/);
  }
});

test('what begins with a dash, and options before their command, are told where they go', async () => {
  expect(await misused('put', 'demo/main', '-x/y', '1')).toMatch(/no option -x[^]*goes behind --/);
  expect(await misused('--json', 'get', 'demo/main', 'a')).toMatch(/--json[^]*behind the command/);
});

test('a value that is not there, because what was to write it has failed, is told as that', async () => {
  expect(await misused('put', 'demo/main', 'a', '-')).toMatch(/Standard input is empty/);
});

test('missing values, surplus arguments and values of flags are errors', async () => {
  expect(await misused('get', 'demo/main')).toMatch(/PATH[^]*"holdfast help get"/);
  expect(await misused('get', 'demo/main', 'a', 'b')).toMatch(/too many: b/);
  expect(await misused('get', 'demo/main', 'a', '--token')).toMatch(/--token needs a value/);
  expect(await misused('get', 'demo/main', 'a', '--token', '--raw')).toMatch(
    /--token needs a value/,
  );
  expect(await misused('get', 'demo/main', 'a', '--raw=yes')).toMatch(/takes no value/);
});

test('values out of range are errors that say what is wanted', async () => {
  expect(await misused('dev', '--port', '70000')).toMatch(
    /--port must be a whole number from 0 to 65535/,
  );
  expect(await misused('get', 'demo/main', 'a', '--timeout', 'soon')).toMatch(/duration such as/);
  expect(await misused('tokens', 'create', '--name', 'a', '--expires', '36501d')).toMatch(
    /--expires must be a duration [^]*at most 36500d/,
  );
  expect(await misused('get', 'Demo', 'a')).toMatch(/org\/name/);
  expect(await misused('put', 'demo/main', 'a', '{')).toMatch(/not JSON/);
  expect(await misused('put', 'demo/main', 'a', '1', '--if-match', '-1')).toMatch(/--if-match/);
  expect(await misused('put', 'demo/main', 'a', '1', '--fence', 'x')).toMatch(/KEY:TOKEN/);
  expect(await misused('increment', 'demo/main', 'a', 'two')).toMatch(/BY must be a number/);
  expect(await misused('entries', 'demo/main', '--limit', '0')).toMatch(/--limit/);
  expect(await misused('stores', '--url', 'not a url')).toMatch(/not the URL/);
  expect(await misused('stores', '--url', 'https://sync.example.org')).toMatch(/needs a token/);
});

test('a misuse is told in JSON where JSON is asked for', async () => {
  const { stderr } = await onTerminal(['get', '--json', '--nope'], {});
  expect(linesOf(stderr)).toMatchObject([{ error: { code: 'usage', exit_code: 2 } }]);
});

test('HOLDFAST_DEBUG shows where it failed, and nothing else does', async () => {
  const { stderr } = await onTerminal(['get'], { env: { HOLDFAST_DEBUG: '1' } });
  expect(stderr).toContain('    at ');
});

test('every command has help with its options', async () => {
  for (const name of commands.keys()) {
    const { code, stdout } = await onTerminal(['help', ...name.split(' ')], {
      env: { NO_COLOR: '1' },
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`holdfast ${name}`);
    expect(stdout).toContain('--json');
    const flag = await onTerminal([...name.split(' '), '--help'], { env: { NO_COLOR: '1' } });
    expect(flag.stdout).toBe(stdout);
  }
  const { stdout } = await onTerminal([], {});
  for (const name of commands.keys()) expect(stdout).toContain(`  ${name} `);
});

test('the exit codes are documented where they are promised', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const squeezed = readme.replaceAll(/ +/g, ' ');
  for (const row of exitCodeRows()) expect(squeezed).toContain(row);
  for (const name of commands.keys()) expect(readme).toContain(`holdfast ${name}`);
  expect((await onTerminal(['help', 'exit-codes'], {})).stdout).toBe(`${exitCodeText()}\n`);
  // What it runs comes behind its own options, which no definition of them says.
  expect((await onTerminal(['help', 'once'], {})).stdout).toMatch(/USAGE .*<KEY> -- PROGRAM/);
});

test('each reason has one exit code, and numbers are used once', () => {
  expect(outcomeOf('conflict')).toBe('conflict');
  expect(outcomeOf('rate_limited')).toBe('offline');
  expect(outcomeOf('a reason of tomorrow')).toBe('refused');
  const numbers = Object.values(exitCodes).map(({ exit }) => exit);
  expect(new Set(numbers).size).toBe(numbers.length);
});
