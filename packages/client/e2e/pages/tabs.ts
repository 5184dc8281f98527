import { type Client, createClient, type Store } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { tabs } from '@holdfast/client/tabs';

/* One of several tabs of an application: its server is named in the fragment of the address. */
const { url = '', token = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const errors: string[] = [];
const client: Client = createClient({
  url,
  token,
  cache: indexedDB('app'),
  tabs: tabs({ name: 'ada' }),
  onError: (error) => errors.push(String(error)),
});
const store: Store = client.store('acme/app');
let outcomes: Promise<unknown> = Promise.resolve();

/** What the page does when it is asked to. */
export const tab = {
  errors,
  client,
  store,
  connection: (): string => client.status.get().connection,
  /** Writes leaves and counts them; says when all of it is stored on this computer. */
  async write(name: string, count: number): Promise<void> {
    const receipts = Array.from({ length: count }, (_, n) => [
      store.put(`w/${name}/${n}`, n),
      store.increment('count'),
    ]).flat();
    outcomes = Promise.all([outcomes, ...receipts.map(({ committed }) => committed)]);
    await Promise.all(receipts.map(({ durable }) => durable));
  },
  /** Resolves when everything that this tab wrote is committed. */
  async settled(): Promise<void> {
    await outcomes;
  },
  /** Resolves when its cache has stored what it had to: its databases take a transaction of others. */
  async stored(): Promise<void> {
    for (const { name = '' } of await globalThis.indexedDB.databases()) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await passThrough(name);
    }
  },
  leaves: (): number => store.entries('w/**').items.length,
  count: (): number => Number(store.get('count') ?? 0),
};

function passThrough(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const opening = globalThis.indexedDB.open(name);
    opening.addEventListener('error', () => reject(new Error(`${name} does not open`)));
    opening.addEventListener('success', () => {
      const database = opening.result;
      const transaction = database.transaction([...database.objectStoreNames], 'readwrite');
      transaction.addEventListener('complete', () => {
        database.close();
        resolve();
      });
    });
  });
}
