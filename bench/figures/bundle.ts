import { bundle as bundled, gzippedBytes } from '../../tools/bundle.ts';
import type { Figure } from '../figure.ts';

const LIMIT_KB = 18;
const source = `
  import { createClient } from '@holdfast/client';
  export const open = (url, token) => createClient({ url, token }).store('acme/app');`;
const LIMIT_OFFLINE_KB = 24;
const offline = `
  import { createClient } from '@holdfast/client';
  import { indexedDB } from '@holdfast/client/cache/indexeddb';
  import { tabs } from '@holdfast/client/tabs';
  export const open = (url, token) =>
    createClient({ url, token, cache: indexedDB('app'), tabs: tabs({ name: 'me' }) }).store('acme/app');`;

/** What the client weighs in an application: createClient and a store, the default link, JSON. */
export const bundle: Figure = sizeOf('bundle', source, LIMIT_KB);

/** What it weighs with a cache in IndexedDB, and tabs that share one connection. */
export const bundleOffline: Figure = sizeOf('bundle-offline', offline, LIMIT_OFFLINE_KB);

function sizeOf(id: string, text: string, limit: number): Figure {
  return {
    id,
    unit: 'kB gzipped',
    against: `${limit} kB`,
    goal: { ratio: 1, at: 'most' },
    measure: async () => {
      const { entry } = await bundled(text);
      return { ours: gzippedBytes(entry) / 1000, limit };
    },
  };
}
