import { checks, run } from '@holdfast/conformance';
import { expect, test } from 'vitest';
import { served } from './served.ts';

test('the server passes every check, in both dialects and both formats', async () => {
  const { results, passed, skipped } = await run({ ...(await served()) });
  expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
  expect(new Set(results.map(({ number }) => number)).size).toBe(checks.length);
  expect([passed, skipped]).toEqual([results.length, 0]);
}, 300_000);
