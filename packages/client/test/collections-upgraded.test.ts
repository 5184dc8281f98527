import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type Link } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { createServer, type Server } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';

const at = { name: 'issue', store: 'acme/app', path: 'issues/:id' } as const;
const Old = record({
  ...at,
  version: '1.0',
  schema: passthrough<{ readonly title: string; readonly rank?: number }>(),
});
const New = record({
  ...at,
  version: '2.0',
  schema: z.object({ title: z.string(), place: z.string(), rank: z.never().optional() }),
  migrate: { '1': ({ rank, ...rest }) => ({ ...rest, place: `no. ${String(rank)}` }) },
});
const ada = { subject: 'ada', orgs: ['acme'], scopes: ['entries:read', 'entries:write'] } as const;

/** A server that can be deployed in another version, with the data that it has. */
async function deployed(): Promise<{
  link: Link;
  deploy(def: typeof Old | typeof New): Promise<void>;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-upgraded-'));
  let server: Server | null = null;
  const deploy = async (def: typeof Old | typeof New): Promise<void> => {
    await server?.close({ retryAfterMs: 0 });
    server = createServer({ storage: sqlite({ directory }), rates: false });
    server.record(def);
    await server.stores.create('acme/app');
  };
  onTestFinished(async () => {
    await server?.close({ retryAfterMs: 0 });
    await rm(directory, { recursive: true });
  });
  await deploy(Old);
  const link: Link = {
    open: (url, events) => {
      if (server === null) throw new Error('there is none');
      return server.inProcess(ada).link.open(url, events);
    },
  };
  return { link, deploy };
}

test('a row that an upgrade has made unreadable here is as it was committed last, without own writes that were refused', async () => {
  const { link, deploy } = await deployed();
  const page = createClient({
    url: 'ws://holdfast',
    token: 'ada',
    link,
    records: records([Old]),
    onError: () => undefined,
  });
  onTestFinished(() => page.close());
  const issue = page.record(Old, { id: '1' });
  await issue.set({ title: 'one', rank: 1 }).committed;
  const list = page.collection(collection(Old, { orderBy: 'title' }));
  list.retain();
  await list.ready();
  const closed = new Promise<void>((resolve) => {
    const stop = page.status.subscribe(() => {
      if (page.status.get().connection === 'connected') return;
      stop();
      resolve();
    });
  });
  const upgraded = deploy(New);
  await closed;
  const refused = issue.patch({ rank: 0 });
  expect(list.get()).toEqual([{ title: 'one', rank: 0 }]);
  await upgraded;
  await expect(refused.committed).rejects.toMatchObject({ code: 'invalid_value' });
  await expect
    .poll(() => list.state.get().rows)
    .toEqual([{ key: issue.key, value: { title: 'one', rank: 1 }, pending: 0 }]);
});
