import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { type Page, readPage } from './pages.ts';

/** A command of a page, and the lines that its output has to have. */
type Step = { readonly command: string; readonly expected: readonly string[] };

const arrow = '# → ';
const mark = '\u001e';

function stepsOf({ text: page }: Page): readonly Step[] {
  const blocks = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) => {
    const parts = block.split(/^((?:# → .*\n)+)/m);
    return parts.flatMap((part, at) =>
      at % 2 === 1 || part.trim() === ''
        ? []
        : [
            {
              command: part,
              expected: (parts[at + 1] ?? '').split('\n').filter((line) => line !== ''),
            },
          ],
    );
  });
}

/** Runs them in one shell; what each has written. */
async function outputsOf(
  steps: readonly Step[],
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  const script = steps.map(({ command }) => `${command}\nprintf '${mark}'\n`).join('');
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', script], { env });
  const [told, complaints, [code]] = await Promise.all([
    text(shell.stdout),
    text(shell.stderr),
    once(shell, 'close'),
  ]);
  expect(code, `${told.slice(-500)}\n${complaints}`).toBe(0);
  return told.split(mark);
}

/** A line of a page as a pattern: `…` stands for anything. */
function patternOf(line: string): RegExp {
  const literal = line.slice(arrow.length).split('…');
  const escaped = literal.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`, 'm');
}

test('every command of the page about HTTP does what the page says', async () => {
  const server = createServer({
    storage: memory(),
    authenticate: ({ token }) =>
      token === 'dev'
        ? {
            subject: 'dev',
            orgs: ['demo'],
            scopes: [
              'entries:read',
              'entries:write',
              'files:read',
              'files:write',
              'stores:create',
              'audit:read',
            ],
          }
        : null,
  });
  const { url } = await server.listen();
  onTestFinished(() => server.close());
  const steps = stepsOf(readPage('docs/guide/http.md'));
  const outputs = await outputsOf(steps, {
    PATH: process.env['PATH'],
    HOLDFAST_URL: url,
    HOLDFAST_TOKEN: 'dev',
  });
  for (const [at, { command, expected }] of steps.entries()) {
    for (const line of expected) expect(outputs[at], command).toMatch(patternOf(line));
  }
  expect(steps.length).toBeGreaterThan(15);
});
