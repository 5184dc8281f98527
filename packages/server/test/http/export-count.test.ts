import { memory } from '@holdfast/server/storage/memory';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';
import { turnsOfOthers, wide } from './wide.ts';

const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };

test('an export of a large store to who may read all of it begins before all of it was looked through', async () => {
  const folders = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN';
  const { world: here, whole } = await wide('acme/blog', folders);
  const others = turnsOfOthers();
  const response = await here.app.request('/api/stores/acme/blog/export', {
    headers: { Authorization: `Bearer ${whole}` },
  });
  // A look at all of it has a turn for each five thousand leaves.
  expect(others.count).toBeLessThan(4);
  expect(JSON.parse((await response.text()).split('\n', 1).join())).toMatchObject({
    entry_count: 1000 * folders.length,
  });
});

const path = fc.constantFrom('a', 'a/b', 'a/b/c', 'd', 'd/e');
const op = fc.oneof(
  fc.record({ op: fc.constant('lease'), path, ttl_ms: fc.constant(1000) }),
  fc.record({ op: fc.constant('set'), path, value: fc.constantFrom(1, { b: 2 }, {}) }),
  fc.record({ op: fc.constant('merge'), path, value: fc.constantFrom({ b: 1 }, { e: null }) }),
  fc.record({ op: fc.constant('delete'), path }),
  fc.record({ op: fc.constant('rollback'), to_seq: fc.nat(12) }),
  fc.record({ op: fc.constant('open anew') }),
);

test('an export says how many lines follow, whatever became of leases, also where the store was opened meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 4, maxLength: 12 }), async (ops) => {
      const clock = new VirtualClock();
      const storage = memory({ now: clock.wall });
      // The next server goes on with it.
      storage.close = async () => undefined;
      const open = () => world({ storage, clock });
      let here = await open();
      const ask = (route: string, body: object) =>
        fetch(`${here.url}/api/stores/demo/main/${route}`, {
          method: 'POST',
          headers,
          body: JSON.stringify(body),
        });
      for (const each of ops) {
        if (each.op === 'open anew') {
          await here.server.close();
          here = await open();
        } else if (each.op === 'rollback') await ask('rollback', each);
        else await ask('transact', { ops: [each] });
        await clock.pass(700);
        const answer = await fetch(`${here.url}/api/stores/demo/main/export`, { headers });
        const [header = '', ...lines] = (await answer.text()).trim().split('\n');
        expect(JSON.parse(header)).toMatchObject({ entry_count: lines.length });
      }
      await here.server.close();
    }),
    { numRuns: 20 },
  );
});
