import type { Batch, Storage } from '@holdfast/server/storage';
import { over } from '../src/over.ts';

/** Ways in which a server can be broken, so that the checker is seen to notice. */
export const breakages = [
  'skips if_match',
  'skips if_absent',
  'skips fence',
  'answers from before',
  'appends blindly',
  'decides on a stale state',
  'acknowledges in vain',
] as const;

/** One of {@link breakages}. */
export type Breakage = (typeof breakages)[number];

/** Breakages that show only where two servers share a storage. */
export function isOfTwo(breakage: Breakage | null): boolean {
  return breakage === 'appends blindly' || breakage === 'decides on a stale state';
}

type Payload = { readonly [field: string]: unknown };

const skips: { readonly [breakage in Breakage]?: string } = {
  'skips if_match': 'if_match',
  'skips if_absent': 'if_absent',
  'skips fence': 'fence',
};

/** A request as a broken server reads it. */
export function misread(payload: Payload, breakage: Breakage | null): Payload {
  const skipped = breakage === null ? undefined : skips[breakage];
  if (skipped === undefined) return payload;
  return Object.fromEntries(Object.entries(payload).filter(([name]) => name !== skipped));
}

/** A storage that stores what was decided on another state than its own, as if nobody else had written. */
export function blindStorage(disk: Storage): Storage {
  return over(disk, {
    async append(store, expected, batch) {
      const result = await disk.append(store, expected, batch);
      if (result.status !== 'behind') return result;
      return disk.append(store, result.head, moved(batch, result.head - expected));
    },
  });
}

function moved(batch: Batch, by: number): Batch {
  return { ...batch, ops: batch.ops.map((op) => ({ ...op, seq: op.seq + by })) };
}
