import { setImmediate as loop } from 'node:timers/promises';
import type { LoggedOp } from '@holdfast/engine/authority';
import { asPath } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { StoreLog } from '../../src/host/store-log.ts';
import type { ReadLimit } from '../../src/storage/port.ts';

const SEQS = 5000;

/** A log of one commit as it is stored; it can forget a beginning of it. */
function stored() {
  const about = { deviceId: 'd', clientOpId: 'o', principal: null, arg: null, at: 0, removed: [] };
  const log = Array.from({ length: SEQS }, (_, at): LoggedOp => {
    return { seq: at + 1, op: 'set', path: asPath('a'), value: at, tx: SEQS, ...about };
  });
  const asked: number[] = [];
  let oldest = 1;
  const storage = {
    read: async (_store: string, after: number, { ops }: ReadLimit) => {
      asked.push(ops);
      return log.filter(({ seq }) => seq > after && seq >= oldest).slice(0, ops);
    },
  };
  const forget = (through: number): void => {
    oldest = through + 1;
  };
  return { log: new StoreLog(storage, 'store', SEQS), asked, forget };
}

test('a commit of many ops is read whole, and others have their turns amid it', async () => {
  const { log, asked } = stored();
  const reading = log.read(0, 1);
  let ops: readonly LoggedOp[] | null = null;
  let turns = 0;
  for (; ops === null; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    ops = await Promise.race([reading, loop(null)]);
  }
  expect(ops.map(({ seq }) => seq)).toEqual(Array.from({ length: SEQS }, (_, at) => at + 1));
  expect(Math.max(...asked)).toBe(1000);
  expect(turns).toBeGreaterThanOrEqual(SEQS / 1000 - 1);
});

test('nothing is told of a commit that the log forgets while it is read', async () => {
  const { log, forget } = stored();
  const reading = log.read(0, SEQS);
  await loop();
  forget(4000);
  expect(await reading).toEqual([]);
});
