import { defaultLimits } from '@holdfast/protocol';
import { expect, onTestFinished } from 'vitest';

import { World } from './world.ts';

/** A store of a thousand leaves in each folder, for one who reads all of them, and for one who may read what is hardly there. */
export async function wide(store: string, folders: string) {
  const world = new World({ limits: defaultLimits });
  await world.store(store);
  const whole = await world.token();
  const narrow = await world.token({ pathRules: [{ pattern: '*/none', allow: ['read'] }] });
  for (const folder of folders) {
    const paths = Array.from({ length: 1000 }, (_, at) => `${folder}/${at}`);
    const ops = paths.map((path, value) => ({ op: 'set', path, value }));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status } = await whole.ask('POST', `/api/stores/${store}/transact`, { ops });
    expect(status).toBe(200);
  }
  return { world, whole: whole.raw, narrow: narrow.raw };
}

/** Counts the turns that others get from now on. */
export function turnsOfOthers(): { readonly count: number } {
  const seen = { count: 0 };
  let next = setImmediate(function pass() {
    seen.count += 1;
    next = setImmediate(pass);
  });
  onTestFinished(() => clearImmediate(next));
  return seen;
}
