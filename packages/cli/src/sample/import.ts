import { createClient, type Store } from '@holdfast/client';
import type { Surroundings } from '../command.ts';
import { Progress } from '../progress.ts';
import { sampleRecords, type SampleRecord } from './countries.ts';

/** Tells whether the import has begun, and whether it is done; so an interrupted one goes on at the next start. */
const marker = 'about/sample';
const source = {
  package: 'countries-list',
  license: 'MIT',
  about: 'https://www.npmjs.com/package/countries-list',
};
const batchRecords = 20;

/** Where to import to. */
export type SampleTarget = {
  readonly url: string;
  readonly token: string;
  readonly store: string;
  readonly signal: AbortSignal;
};

/** Fills a store that has never been written with the sample, or finishes what was begun. */
export async function importSample(target: SampleTarget, around: Surroundings): Promise<void> {
  const client = createClient({ url: target.url, token: target.token, deviceId: 'sample' });
  const close = (): void => void client.close();
  target.signal.addEventListener('abort', close);
  try {
    const store = client.store(target.store);
    await store.ready;
    if (isWanted(store)) await fill(store, around);
  } catch (error) {
    if (!target.signal.aborted) throw error;
  } finally {
    target.signal.removeEventListener('abort', close);
    await client.close();
  }
}

function isWanted(store: Store): boolean {
  return store.status.get().seq === 0 || store.get(`${marker}/state`) === 'importing';
}

async function fill(store: Store, around: Surroundings): Promise<void> {
  const records = sampleRecords();
  const total = records.reduce((sum, { value }) => sum + Object.keys(value).length, 0);
  const progress = new Progress(around, { label: `Sample data into ${store.name}`, total });
  let done = 0;
  progress.show(done);
  for (let at = 0; at < records.length; at += batchRecords) {
    const batch = records.slice(at, at + batchRecords);
    await putMissing(store, batch);
    done += batch.reduce((sum, { value }) => sum + Object.keys(value).length, 0);
    progress.show(done);
  }
  await store.put(marker, { ...source, state: 'imported' }).committed;
}

/** One transaction for the records that are not there; what somebody has changed meanwhile stays changed. */
async function putMissing(store: Store, batch: readonly SampleRecord[]): Promise<void> {
  const missing = batch.filter(({ path }) => store.get(path) === undefined);
  if (missing.length === 0) return;
  const { committed } = store.transact((tx) => {
    if (store.get(marker) === undefined) tx.put(marker, { ...source, state: 'importing' });
    for (const { path, value } of missing) tx.put(path, value);
  });
  await committed;
}
