import { expect, test } from 'vitest';
import { acceptancePage } from './acceptance.ts';
import { readProofs } from './citations.ts';
import { essence, readPage } from './pages.ts';

test('docs/acceptance.md says which acceptance tests are proved; if this fails: npm run docs', () => {
  const fresh = essence(acceptancePage(readProofs()));
  expect(essence(readPage('docs/acceptance.md').text), 'stale; run: npm run docs').toBe(fresh);
});

test('every number that the specifications ask for has a test', () => {
  expect(acceptancePage(readProofs())).not.toContain('Without one');
});

test('a number without a test is listed as such, one with a test names its file', () => {
  const page = acceptancePage([
    { file: 'packages/x/test/y.test.ts', cites: new Set(['S12', 'G80']) },
  ]);
  expect(page).toContain('\n- S12: [x/y](../packages/x/test/y.test.ts)\n');
  expect(page).toContain('\n- S13: not yet\n');
  expect(page).toContain('\n- G52: not yet\n');
  expect(page).toMatch(/^2 of the \d+ numbers/m);
  expect(page).toContain('\n- G80: [x/y](../packages/x/test/y.test.ts)\n');
});
