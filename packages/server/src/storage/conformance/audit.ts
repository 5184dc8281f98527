import assert from 'node:assert/strict';
import type { AuditAct } from '../port.ts';
import { type Case, createStore, onStorage, reopened, start } from './subject.ts';

const act: AuditAct = {
  at: start,
  org: 'acme',
  act: 'token.issued',
  actor: 'token:one',
  store: { id: 's1', name: 'acme/app' },
  target: 'two',
  details: { name: 'deploy "x"', count: 3, whole: true, until: null },
};
const bare: AuditAct = { ...act, act: 'store.created', actor: null, store: null, target: null };

/** The law of the table of administrative acts. */
export const auditCases: readonly Case[] = [
  {
    name: 'administrative acts are listed as they were noted, of one org, newest first',
    run: onStorage(async ({ audit }) => {
      await audit.note(act);
      await audit.note({ ...bare, details: {} });
      await audit.note({ ...act, org: 'other' });
      const rows = await audit.list({ org: 'acme', limit: 10 });
      const acts = rows.map(({ number, ...rest }) => {
        assert(number > 0);
        return rest;
      });
      assert.deepEqual(acts, [{ ...bare, details: {} }, act]);
      assert.deepEqual(await audit.list({ org: 'nobody', limit: 10 }), []);
    }),
  },
  {
    name: 'administrative acts are listed page by page, none twice, though more are noted meanwhile',
    run: onStorage(async ({ audit }) => {
      const note = (target: string): Promise<void> => audit.note({ ...act, target });
      for (const target of ['a', 'b', 'c']) {
        // oxlint-disable-next-line no-await-in-loop -- in this order
        await note(target);
      }
      const [newest, second] = await audit.list({ org: 'acme', limit: 2 });
      await note('d');
      const before = second?.number ?? 0;
      const rest = await audit.list({ org: 'acme', before, limit: 10 });
      const all = [newest, second, ...rest].map((row) => row?.target);
      assert.deepEqual(all, ['c', 'b', 'a']);
    }),
  },
  {
    name: 'administrative acts outlive their store, and a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const storage = await subject.open(() => clock.at);
      const { id, name } = await createStore(storage, 'acme/app');
      await storage.audit.note({ ...act, store: { id, name } });
      await storage.stores.purge(id);
      await storage.close();
      const again = await reopened(subject, clock);
      const [row] = await again.audit.list({ org: 'acme', limit: 10 });
      assert.deepEqual(row?.store, { id, name });
      await again.close();
    },
  },
];
