import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from './pages.ts';

const fence = /^```(\w*)\s*$/;

/**
 * Compiles the TypeScript of some pages against the sources, all of it in one process, and returns the complaints of the
 * compiler. The blocks of a page are one module, at the lines at which they stand.
 */
export async function compileSnippets(pages: readonly Page[]): Promise<string> {
  mkdirSync('temp', { recursive: true });
  const folder = mkdtempSync(join('temp', 'docs-'));
  const config = {
    extends: '../../tsconfig.check.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['*.ts', '*.tsx'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  for (const page of pages) {
    const ending = /^```tsx\s*$/m.test(page.text) ? 'tsx' : 'ts';
    writeFileSync(join(folder, `${page.file.replaceAll('/', '--')}.${ending}`), moduleOf(page));
  }
  try {
    return await run('node_modules/.bin/tsc', ['-p', folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The page with everything but its TypeScript blanked out, so that lines keep their numbers. */
function moduleOf({ text }: Page): string {
  let inside = false;
  const lines = text.split('\n').map((line) => {
    const mark = fence.exec(line);
    if (mark === null) return inside ? line : '';
    inside = !inside && /^tsx?$/.test(mark[1] ?? '');
    return '';
  });
  return `${lines.join('\n')}\nexport {};\n`;
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, (error, stdout, stderr) =>
      resolve(error === null ? '' : stdout + stderr),
    );
  });
}
