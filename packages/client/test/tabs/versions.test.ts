// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { type ClientOptions, type Link, webSocketLink } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { tabs } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { openWorld } from '../world.ts';

/** A way to the server that may be down. */
class Way implements Link {
  isDown = true;
  readonly #link = webSocketLink();

  open(...[url, events]: Parameters<Link['open']>): ReturnType<Link['open']> {
    if (!this.isDown) return this.#link.open(url, events);
    queueMicrotask(() => events.closed(1006));
    return { send: () => undefined, close: () => undefined };
  }
}

test('what a tab of an older version has yet to send is no dead letter of a newer one beside it, until that tab is gone', async () => {
  await using world = await openWorld();
  const way = new Way();
  const tab = (schemaVersion: number): Partial<ClientOptions> => ({
    tabs: tabs({ name: 'versions' }),
    cache: indexedDB('versions'),
    deviceId: 'browser',
    link: way,
    schemaVersion,
    // Nobody knows by now what the old ones mean.
    migrate: () => null,
  });
  const old = world.client(tab(1));
  const before = old.store('acme/app');
  await before.put('sent', 1).durable;
  const fresh = world.client(tab(2));
  const after = fresh.store('acme/app');
  await after.put('new', 2).durable;
  expect([after.outbox.deadLetters(), after.outbox.list().length]).toEqual([[], 1]);
  way.isDown = false;
  await Promise.all([old.connect(), fresh.connect()]);
  await Promise.all([before.settled(), after.settled()]);
  await expect.poll(() => [after.get('sent'), before.get('new')]).toEqual([1, 2]);
  way.isDown = true;
  await Promise.all([fresh.close(), old.close()]);

  // One that is gone leaves what nobody will send.
  const gone = world.client(tab(1));
  await gone.store('acme/app').put('left', 3).durable;
  await gone.close();
  const last = world.client(tab(2)).store('acme/app');
  await last.put('last', 4).durable;
  expect(last.outbox.deadLetters().map(({ refusal }) => refusal.code)).toEqual(['schema_skew']);
  expect(world.errors).toEqual([]);
});
