import { type Client, createClient, type Store } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';

/* An application that works offline: its server is named in the fragment of the address. */
const { url = '', token = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const errors: string[] = [];
const client: Client = createClient({
  url,
  token,
  cache: indexedDB('app'),
  env: { random: () => 0.01 },
  onError: (error) => errors.push(String(error)),
});
const store: Store = client.store('acme/app');

/** What the page does when it is asked to. */
export const application = {
  errors,
  client,
  store,
  /** Resolves with the time since the page began, when everything can be read. */
  async readable(leaves: number): Promise<{ readonly atMs: number; readonly sum: number }> {
    await store.ready;
    const { items } = store.entries('docs/**', { limit: leaves });
    const sum = items.reduce((total, { value }) => total + Number(value), 0);
    return { atMs: performance.now(), sum };
  },
  async edit(from: number, count: number): Promise<void> {
    const edits = Array.from({ length: count }, (_, n) => [
      store.put(`edits/${from + n}`, from + n),
      store.increment('edited'),
    ]);
    await Promise.all(edits.flat().map(({ durable }) => durable));
  },
};
