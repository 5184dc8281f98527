import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { commands } from '../src/commands.ts';
import { onTerminal } from './harness.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const scripts: Record<string, string> = {};

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await onTerminal(['completion', shell]);
    expect(code).toBe(0);
    scripts[shell] = stdout;
  }
});

/** What bash offers for a line whose last word is being typed. */
function offered(...words: readonly string[]): string[] {
  const line = words.map((word) => `'${word}'`).join(' ');
  const program = `${scripts['bash']}
    COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}
    $(complete -p holdfast | sed 's/.*-F \\([^ ]*\\) .*/\\1/') holdfast '${words.at(-1)}' '${words.at(-2)}'
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const ran = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8' });
  return ran.stdout.split('\n').filter((word) => word !== '');
}

test('bash offers every command, and those that begin as the word does', () => {
  const firsts = new Set([...commands.keys()].map((name) => name.split(' ')[0] ?? ''));
  expect(offered('holdfast', '').toSorted()).toEqual([...firsts, 'help'].toSorted());
  expect(offered('holdfast', 'se')).toEqual(['serve']);
  expect(offered('holdfast', 'help', 'rollb')).toEqual(['rollback']);
});

test('bash offers second words, words that an argument may be, and options', () => {
  expect(offered('holdfast', 'stores', 'cr')).toEqual(['create']);
  expect(offered('holdfast', 'completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(offered('holdfast', 'put', 'demo/main', 'a', '1', '--if')).toEqual([
    '--if-match',
    '--if-absent',
  ]);
  expect(offered('holdfast', 'tokens', 'create', '--na')).toEqual(['--name']);
  expect(offered('holdfast', 'serve', '--lo')).toEqual(['--log-level']);
});

test('bash offers directories and files where an option takes one, and nothing where it takes text', () => {
  const sources = offered('holdfast', 'serve', '--data', `${root}packages/cli/sr`);
  expect(sources).toEqual([`${root}packages/cli/src`]);
  expect(offered('holdfast', 'serve', '--config', `${root}package.js`)).toEqual([
    `${root}package.json`,
  ]);
  expect(offered('holdfast', 'serve', '--port', '')).toEqual([]);
});

test('every command and option is in every script', async () => {
  for (const [name, { load }] of commands) {
    const { options } = await load();
    for (const script of Object.values(scripts)) {
      for (const word of name.split(' ')) expect(script).toContain(word);
      for (const { name: option } of options) expect(script).toContain(option);
    }
  }
});

const has = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;

test.each(['bash', 'zsh', 'fish'].filter(has))('%s can read its script', (shell) => {
  execFileSync(shell, ['-n'], { input: scripts[shell] ?? '' });
});

test('a shell that is unknown is refused', async () => {
  const { code, stderr } = await onTerminal(['completion', 'csh']);
  expect(code).toBe(2);
  expect(stderr).toContain('bash, zsh, fish');
});
