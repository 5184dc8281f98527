import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import { person } from './ssr-world.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1',
  schema: passthrough<{ readonly n: number }>(),
});

/** What of an object, and of what it is made by, can be called. */
function methodsOf(thing: object): readonly string[] {
  const names = new Set<string>();
  for (let at: unknown = thing; at instanceof Object && at !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    at = Object.getPrototypeOf(at);
  }
  return [...names].filter(
    (name) => name !== 'constructor' && typeof Reflect.get(thing, name) === 'function',
  );
}

test('whoever tests an application may spy on every method of a client, its stores, records and receipts', async () => {
  const server = createServer({ storage: memory(), rates: false });
  await server.stores.create('acme/app');
  const client = createClient({ ...server.inProcess(person('ada')), records: records([Item]) });
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  const store = client.store('acme/app');
  const item = client.record(Item, { id: '1' });
  const things: readonly object[] = [
    client,
    client.status,
    store,
    item,
    item.state,
    store.put('a', 1),
  ];
  for (const thing of things) {
    expect(methodsOf(thing).length).toBeGreaterThan(1);
    for (const name of methodsOf(thing)) {
      const made: { [name: string]: () => unknown } = thing as never;
      const spy = vi.spyOn(made, name).mockReturnValue('spied');
      expect(made[name]?.()).toBe('spied');
      spy.mockRestore();
    }
  }
  const spied = vi.spyOn(client, 'record');
  expect(client.record(Item, { id: '2' }).key).toBe('rec/acme/app/items/2');
  expect(spied).toHaveBeenCalledOnce();
});
