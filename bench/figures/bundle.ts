import { bundle as bundled, gzippedBytes } from '../../tools/bundle.ts';
import { entries } from '../../tools/size-entries.ts';
import type { Figure } from '../figure.ts';

/** What the client weighs in an application: createClient and a store, the default link, JSON; then with more of it. */
export const bundles: readonly Figure[] = [
  sizeOf('bundle', 'client', 18),
  sizeOf('bundle-offline', 'client with IndexedDB, tabs', 24),
  sizeOf('bundle-views', 'client with views', 26),
  sizeOf('bundle-records', 'client with records', 27),
];

function sizeOf(id: string, entry: keyof typeof entries, limit: number): Figure {
  return {
    id,
    unit: 'kB gzipped',
    against: `${limit} kB`,
    goal: { ratio: 1, at: 'most' },
    measure: async () => {
      const { entry: code } = await bundled(entries[entry]);
      return { ours: gzippedBytes(code) / 1000, limit };
    },
  };
}
