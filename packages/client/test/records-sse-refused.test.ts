import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport } from '@holdfast/client/records/transport';
import { passthrough, record } from '@holdfast/protocol';
import { expect, it, onTestFinished } from 'vitest';
import { opened, someone } from './records-sse-setting.ts';
import { openWorld } from './world.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number }>(),
});

it('given a token that is not taken, then a record by events says so instead of loading for ever, and follows with a better one', async () => {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const items = world.server.record(Item);
  let token = 'nonsense';
  const client = createClient({
    url: world.url,
    token: () => token,
    records: records([Item], { delivery: bySse() }),
    env: { random: () => 0.01 },
    onError: () => undefined,
  });
  onTestFinished(() => client.close());
  const item = client.record(Item, { id: 'a' });
  onTestFinished(item.subscribe(() => undefined));
  await item.ready();
  expect(item.state.get()).toMatchObject({ status: 'stale', error: { code: 'unauthorized' } });
  ({ token } = world);
  await expect.poll(() => item.state.get().status).toBe('gone');
  expect(item.state.get().error).toBeUndefined();
  await items.write({ id: 'a' }, { set: { n: 1 } });
  await expect.poll(() => item.get()).toEqual({ n: 1 });
});

it('given a transport whose only key is denied, then its status is that of a connection, as there is nothing to wait for', async () => {
  const rules = [{ pattern: 'items/public/**', allow: ['read' as const] }];
  const { transport, world } = await opened({ token: 'ann' }, async ({ token }) =>
    token === 'ann' ? someone(rules) : null,
  );
  expect(transport.status.get()).toBe('connecting');
  const client = world.client({
    records: records([Item], { delivery: byTransport({ transport }) }),
  });
  const secret = client.record(Item, { id: 'secret' });
  onTestFinished(secret.retain());
  await expect(secret.ready()).rejects.toMatchObject({ code: 'denied' });
  await expect.poll(() => transport.status.get()).toBe('open');
});
