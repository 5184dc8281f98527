import type { Server } from '@holdfast/server';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';
import { ownServer } from './own-server.ts';

const source = `
  import { application } from './packages/client/e2e/pages/offline.ts';
  globalThis.application = application;`;

const outbox = `application.store.outbox.list().map(({ request }) => request.path)`;
const letters = `application.store.outbox.deadLetters().map(({ text }) => text)`;
const faults = `application.errors.map((text) => text.split(': ').slice(1, 3).join(': '))`;

/** Text of which no storage can make less. */
const noise = `Array.from(crypto.getRandomValues(new Uint32Array(8000)), (n) => n.toString(36)).join('')`;

/** Puts nonsense in place of all that is kept of entries, and of the first request that is kept. */
const damage = `new Promise((resolve, reject) => {
  const opening = indexedDB.open('holdfast/app');
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const tx = opening.result.transaction(['entry', 'request'], 'readwrite');
    const replace = (name, nonsense, isEach) => {
      const rows = tx.objectStore(name).openCursor();
      rows.onsuccess = () => {
        rows.result?.update(nonsense);
        if (isEach) rows.result?.continue();
      };
    };
    replace('entry', [['nonsense', 7]], true);
    replace('request', 'nonsense', false);
    tx.onabort = () => reject(tx.error);
    tx.oncomplete = () => resolve(opening.result.close());
  };
})`;

/** Makes of what is kept what the first version of the library would have left: a record for each entry and map. */
const age = `(async () => {
  const opened = (version, upgrade) => new Promise((resolve, reject) => {
    const opening = indexedDB.open('holdfast/app', version);
    opening.onupgradeneeded = () => upgrade(opening.result);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => resolve(opening.result);
  });
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const names = ['notes', 'places', 'entry', 'map', 'request', 'letter'];
  const now = await opened();
  const tx = now.transaction(names);
  const kept = await Promise.all(names.map(async (name) => {
    const store = tx.objectStore(name);
    const [keys, records] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
    return keys.map((key, at) => [key, records[at]]);
  }));
  now.close();
  await done(indexedDB.deleteDatabase('holdfast/app'));
  const old = await opened(1, (db) => names.forEach((name) => db.createObjectStore(name)));
  const made = old.transaction(names, 'readwrite');
  names.forEach((name, at) => {
    const store = made.objectStore(name);
    for (const [key, record] of kept[at]) {
      if (name === 'places') store.put({ n: record.n, pen: record.pen, head: record.head }, key);
      else if (name !== 'entry' && name !== 'map') store.put(record, key);
      else for (const [id, text] of record) {
        const own = key.match(/^[0-9]+/) + '!' + id;
        if (text === null) store.delete(own);
        else store.put(text, own);
      }
    }
  });
  await new Promise((resolve) => (made.oncomplete = resolve));
  old.close();
})()`;

/** The connection of the cache, as it next uses one. */
const watchConnection = `{
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (...asked) {
    globalThis.connection = this;
    return transaction.apply(this, asked);
  };
}`;

describe.skipIf(!hasChromium)('a cache in Chromium', { timeout: 180_000 }, () => {
  let browser: Browser;
  let served: ServedPage;
  let server: Server;
  let context: BrowserContext;
  let page: Page;
  let address: string;
  let devtools: CDPSession;

  beforeAll(async () => {
    served = await servePage(source);
    browser = await launchChromium();
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await served.close();
  });

  beforeEach(async () => {
    ({ server, address } = await ownServer(served));
    context = await browser.newContext();
    page = await context.newPage();
    devtools = await context.newCDPSession(page);
  });

  afterEach(async () => {
    await context.close();
    await server.close({ retryAfterMs: 0 });
  });

  const open = async (): Promise<void> => {
    await (page.url() === 'about:blank' ? page.goto(address) : page.reload());
    await page.waitForFunction('globalThis.application !== undefined');
  };

  it('that is full forgets the entries, and keeps what is written offline from then on', async () => {
    const { origin } = new URL(served.url);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 400_000 });
    await open();
    await page.evaluate('application.store.ready');
    for (let n = 0; n < 12; n += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other: the outbox is small all the time
      await page.evaluate(`application.store.put('big/${n}', ${noise}).committed`);
    }
    expect(await page.evaluate(faults)).toEqual(['cache_failed: full']);
    await server.close({ retryAfterMs: 0 });
    await page.evaluate('application.edit(0, 2)');
    await open();
    await expect
      .poll(() => page.evaluate(outbox))
      .toEqual(['edits/0', 'edited', 'edits/1', 'edited']);
  });

  it('that the browser clears while it is open says so, and keeps what is written from then on', async () => {
    const { origin } = new URL(served.url);
    await open();
    await page.evaluate('application.store.ready');
    await page.evaluate('application.edit(0, 3)');
    await page.evaluate('application.store.settled()');
    await devtools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
    await page.evaluate('application.edit(3, 3)');
    await page.evaluate('application.store.settled()');
    expect(await page.evaluate(faults)).toEqual(['cache_failed: cleared']);
    expect(await page.evaluate(`application.store.entries('edits/*').items.length`)).toBe(6);
    await server.close({ retryAfterMs: 0 });
    await page.evaluate('application.edit(6, 1)');
    await open();
    await expect.poll(() => page.evaluate(outbox)).toEqual(['edits/6', 'edited']);
  });

  it('that the browser clears while something waits without a network says that this is not kept', async () => {
    const { origin } = new URL(served.url);
    await open();
    await page.evaluate('application.store.ready');
    await server.close({ retryAfterMs: 0 });
    await page.evaluate('application.edit(0, 1)');
    expect(await page.evaluate('application.store.status.get().durable')).toBe(true);
    await devtools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
    await page.waitForFunction('!application.store.status.get().durable');
    expect(await page.evaluate(faults)).toEqual(['cache_failed: cleared']);
    expect(await page.evaluate('application.errors.length')).toBe(1);
  });

  it('that a former version of the library has left is taken over, entries and outbox', async () => {
    await open();
    await page.evaluate('application.store.ready');
    await page.evaluate('application.edit(0, 3)');
    await page.evaluate('application.store.settled()');
    await server.close({ retryAfterMs: 0 });
    await page.evaluate('application.edit(3, 1)');
    await page.evaluate('application.client.close()');
    await page.evaluate(age);
    const version = `indexedDB.databases().then((all) => all.map((each) => each.version))`;
    expect(await page.evaluate(version)).toEqual([1]);
    await open();
    await expect.poll(() => page.evaluate(outbox)).toEqual(['edits/3', 'edited']);
    expect(await page.evaluate(`application.store.get('edits')`)).toEqual({
      '0': 0,
      '1': 1,
      '2': 2,
      '3': 3,
    });
    expect(await page.evaluate(version)).toEqual([2]);
    expect(await page.evaluate(faults)).toEqual([]);
  });

  it('whose connection is closing keeps what is written all the same, over another one', async () => {
    await open();
    await page.evaluate('application.store.ready');
    await server.close({ retryAfterMs: 0 });
    await page.evaluate(watchConnection);
    await page.evaluate('application.edit(0, 1)');
    await page.evaluate('connection.close()');
    const refused = `(() => { try { connection.transaction('notes'); } catch (error) { return String(error); } })()`;
    expect(await page.evaluate(refused)).toContain('connection is closing');
    await page.evaluate('application.edit(1, 1)');
    expect(await page.evaluate(faults)).toEqual([]);
    await open();
    await expect
      .poll(() => page.evaluate(outbox))
      .toEqual(['edits/0', 'edited', 'edits/1', 'edited']);
  });

  it('that is damaged is forgotten but for the outbox, of which what cannot be read is a dead letter', async () => {
    await open();
    await page.evaluate('application.store.ready');
    await page.evaluate('application.edit(0, 1)');
    await page.evaluate('application.store.settled()');
    await server.close({ retryAfterMs: 0 });
    await page.evaluate('application.edit(3, 2)');
    await page.evaluate(damage);
    await open();
    await expect.poll(() => page.evaluate(outbox)).toEqual(['edited', 'edits/4', 'edited']);
    expect(await page.evaluate(letters)).toEqual(['nonsense']);
    expect(await page.evaluate(`application.store.get('edits/4')`)).toBe(4);
    expect(await page.evaluate(`application.store.get('edits/0')`)).toBeUndefined();
    expect(new Set(await page.evaluate<string[]>(faults))).toEqual(
      new Set(['cache_failed: corrupt']),
    );
  });
});
