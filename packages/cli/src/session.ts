import {
  type Client,
  type ClientOptions,
  createClient,
  type Receipt,
  type Store,
} from '@holdfast/client';
import { refusals, type StoreName } from '@holdfast/protocol';
import { askWho } from './api.ts';
import type { Endpoint } from './endpoint.ts';
import { Failure } from './failure.ts';
import { tellFaults } from './faults.ts';
import type { Output } from './output.ts';

/** Waits for a promise, but not for ever. */
export type Within = <T>(promise: Promise<T>, what: string) => Promise<T>;

/**
 * Opens a client for as long as `use` runs. A question over HTTP comes first: it tells an address where nobody listens
 * and a token that is not accepted apart, at once, where a client would go on trying (stores.md §15.4).
 */
export async function withClient<T>(
  endpoint: Endpoint,
  { output, ...options }: Pick<ClientOptions, 'views'> & { readonly output: Output },
  use: (client: Client, within: Within) => Promise<T>,
): Promise<T> {
  await askWho(endpoint);
  const { url, token } = endpoint;
  const client = createClient({ url, token, onError: tellFaults(output), ...options });
  try {
    return await use(client, (promise, what) => deadline(promise, { endpoint, what }));
  } finally {
    await client.close();
  }
}

/** Opens a store for as long as `use` runs. */
export async function withStore<T>(
  endpoint: Endpoint,
  of: { readonly name: StoreName; readonly scope?: readonly string[]; readonly output: Output },
  use: (store: Store, within: Within) => Promise<T>,
): Promise<T> {
  return withClient(endpoint, { output: of.output }, async (client, within) => {
    const store = client.store(of.name, of.scope === undefined ? {} : { scope: of.scope });
    await within(store.ready, `${of.name} did not open`);
    return use(store, within);
  });
}

/** Writes once: nothing of the store is downloaded for it (stores.md §18 C23). */
export async function commitOnce(
  endpoint: Endpoint,
  { name, output }: { readonly name: StoreName; readonly output: Output },
  write: (store: Store) => Receipt,
): Promise<Awaited<Receipt['committed']>> {
  return withStore(endpoint, { name, scope: [], output }, async (store, within) => {
    const { committed } = write(store);
    try {
      return await within(committed, 'the write was not answered, and may or may not be committed');
    } catch (error) {
      throw refusedMeanwhile(store) ?? error;
    }
  });
}

/** A write that waits was answered, each time that it was sent: it is not committed. */
function refusedMeanwhile({ outbox }: Store): Failure | null {
  const reason = outbox.list().find(({ state }) => state === 'waiting')?.reason ?? null;
  if (reason === null) return null;
  return new Failure('offline', `${reason}: ${refusals[reason].says} Nothing is committed.`, {
    code: reason,
    hint: 'The server goes on refusing it; its log says why. Wait longer with --timeout 60s.',
  });
}

async function deadline<T>(
  promise: Promise<T>,
  { endpoint, what }: { readonly endpoint: Endpoint; readonly what: string },
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const hint =
        'Look with "holdfast get" and "holdfast status", or wait longer with --timeout 60s.';
      const message = `Within ${endpoint.timeoutMs} ms, ${what}.`;
      reject(new Failure('offline', message, { code: 'timeout', hint }));
    }, endpoint.timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
