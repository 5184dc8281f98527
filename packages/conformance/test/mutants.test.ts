import { checks, run } from '@holdfast/conformance';
import { expect, test } from 'vitest';
import { lying } from './liar.ts';
import { lies } from './lies.ts';
import { served } from './served.ts';

/** How long a broken server has for an answer that never comes. */
const timeoutMs = 1500;

test('through a proxy that changes nothing the server passes', async () => {
  const at = await lying(await served(), { out: (frame) => [frame] });
  const { results } = await run(at);
  expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
}, 300_000);

test.each(lies)('check %s sees a server that %s', async (check, _what, lie) => {
  const at = await lying(await served(), lie);
  const { failed, results } = await run({
    ...at,
    only: [check],
    formats: formatsOf(check),
    timeoutMs,
  });
  expect(results.map(({ why }) => why)).not.toEqual([]);
  expect(failed).toBeGreaterThan(0);
});

test('every check is seen to fail', () => {
  const seen = new Set(lies.map(([check]) => check));
  const blind = checks.filter(({ number }) => !seen.has(number));
  expect(blind).toEqual([]);
});

/** One format is enough, and text is the faster one. */
function formatsOf(number: string): readonly ['json' | 'messagepack'] {
  return [checks.find((check) => check.number === number)?.format ?? 'json'];
}
