import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preload } from '@holdfast/client/preload';
import { expect, it } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));

/** What a module loads when it is first needed, from where the sources begin. */
function laterOf(file: string): readonly string[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/import\(\s*'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.') ? relative(src, join(src, dirname(file), name)) : name,
  );
}

it('whatever the client loads when it is first needed is loaded beforehand by preload', async () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' });
  const all = files.filter((file) => file.endsWith('.ts') && file !== 'preload.ts');
  const later = new Set(all.flatMap(laterOf));
  expect(later.size).toBeGreaterThan(10);
  expect(laterOf('preload.ts').toSorted()).toEqual([...later].toSorted());
  await preload();
});
