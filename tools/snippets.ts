import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Page } from './pages.ts';

const fence = /^```(\w*)(?: (\S+))?\s*$/;

/**
 * Compiles the TypeScript of some pages against the sources, all of it in one process, and returns the complaints of the
 * compiler. The blocks of a page are one module, at the lines at which they stand; one that names a file (`ts item.ts`) is that
 * file, in a folder of the page.
 */
export async function compileSnippets(pages: readonly Page[]): Promise<string> {
  mkdirSync('temp', { recursive: true });
  const folder = mkdtempSync(join('temp', 'docs-'));
  const config = {
    extends: '../../tsconfig.check.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['**/*.ts', '**/*.tsx'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  for (const [file, text] of pages.flatMap(modulesOf)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  try {
    return await run('node_modules/.bin/tsc', ['-p', folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The modules of a page by their files, with everything but their blocks blanked out, so that lines keep their numbers. */
function modulesOf({ file, text }: Page): readonly (readonly [file: string, text: string])[] {
  const place = file.replaceAll('/', '--');
  const whole = `${place}.${/^```tsx\s*$/m.test(text) ? 'tsx' : 'ts'}`;
  const lines = text.split('\n');
  const blank = (): string[] => lines.map(() => '');
  const modules = new Map([[whole, blank()]]);
  let into: string[] | null = null;
  let isOpen = false;
  for (const [index, line] of lines.entries()) {
    const [mark, language = '', name] = fence.exec(line) ?? [];
    if (mark === undefined) {
      if (into !== null) into[index] = line;
      continue;
    }
    isOpen = !isOpen;
    into = null;
    if (!isOpen || !/^tsx?$/.test(language)) continue;
    const module = name === undefined ? whole : join(place, name);
    into = modules.get(module) ?? blank();
    modules.set(module, into);
  }
  return [...modules].map(([name, made]) => [name, `${made.join('\n')}\nexport {};\n`]);
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, (error, stdout, stderr) =>
      resolve(error === null ? '' : stdout + stderr),
    );
  });
}
