import { type Client, createClient, type Store } from '@holdfast/client';
import { storeName, token } from '../child.ts';

/** A client with its one store, and the cursors at which it came back. */
export type Site = {
  readonly client: Client;
  readonly store: Store;
  readonly resumes: number[];
};

/** Opens a client of the server on a port. Whatever goes wrong inside it, and is nobody's refusal, ends up in `errors`. */
export function openSite(name: string, port: number, errors: unknown[]): Site {
  const client = createClient({
    url: `ws://127.0.0.1:${port}`,
    token,
    deviceId: name,
    onError: (error) => errors.push(error),
  });
  const store = client.store(storeName);
  const resumes: number[] = [];
  let wasConnected = true;
  client.status.subscribe(() => {
    const isConnected = client.status.get().connection === 'connected';
    if (isConnected && !wasConnected) resumes.push(store.status.get().seq);
    wasConnected = isConnected;
  });
  return { client, store, resumes };
}
