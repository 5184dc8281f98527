import { CommandLedger } from '@holdfast/engine/view';
import { viewLimits } from '@holdfast/protocol/views';
import { expect, test } from 'vitest';

const minute = 60_000;

function settled(count: number, everyMs: number): CommandLedger {
  const ledger = new CommandLedger({ ...viewLimits, dedupe_count: 3 });
  for (let n = 0; n < count; n++) {
    const answer = { status: 'ok', response: { n } } as const;
    ledger.claim(String(n), () => undefined);
    ledger.settle(String(n), answer, n * everyMs);
  }
  return ledger;
}

const knows = (ledger: CommandLedger, n: number): boolean =>
  ledger.claim(String(n), () => undefined) !== 'run';

test('V28 of commands the last ones are remembered however long ago they were', () => {
  const ledger = settled(4, 10 * minute);
  expect([0, 1, 2, 3].map((n) => knows(ledger, n))).toEqual([false, true, true, true]);
  expect([ledger.holdsSince(0), ledger.holdsSince(1)]).toEqual([false, true]);
});

test('V28 of commands all that came within five minutes are remembered, however many there were', () => {
  const ledger = settled(20, 1000);
  expect(Array.from({ length: 20 }, (_, n) => knows(ledger, n))).not.toContain(false);
  expect(ledger.holdsSince(0)).toBe(true);
});

test('V28 of whom nothing has been heard for five minutes, and for whom nothing runs, nothing need be kept', () => {
  const ledger = settled(1, 0);
  expect([ledger.isIdle(5 * minute), ledger.isIdle(5 * minute + 1)]).toEqual([false, true]);
  ledger.claim('runs', () => undefined);
  expect(ledger.isIdle(6 * minute)).toBe(false);
});
