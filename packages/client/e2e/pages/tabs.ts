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
  /** Resolves when the cache is at rest: it holds what the store shows, and no request. */
  async stored(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- until it is true
    while (!(await isStored())) await new Promise((resolve) => setTimeout(resolve, 10));
  },
  leaves: (): number => store.entries('w/**').items.length,
  count: (): number => Number(store.get('count') ?? 0),
};

/** As of one moment, after all that has been given to the database before. */
async function isStored(): Promise<boolean> {
  const database = await done(globalThis.indexedDB.open('holdfast/app'));
  const transaction = database.transaction([...database.objectStoreNames], 'readwrite');
  const places = done<{ head: string }[]>(transaction.objectStore('places').getAll());
  const requests = done(transaction.objectStore('request').count());
  await new Promise((resolve) => transaction.addEventListener('complete', resolve));
  database.close();
  const heads = (await places).map(({ head }) => JSON.parse(head) as { readonly seq: number });
  return (await requests) === 0 && heads.every(({ seq }) => seq === store.status.get().seq);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('it failed')));
  });
}
