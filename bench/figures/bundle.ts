import { bundle as bundled, gzippedBytes } from '../../tools/bundle.ts';
import type { Figure } from '../figure.ts';

const LIMIT_KB = 18;
const source = `
  import { createClient } from '@holdfast/client';
  export const open = (url, token) => createClient({ url, token }).store('acme/app');`;

/** What the client weighs in an application: createClient and a store, the default link, JSON. */
export const bundle: Figure = {
  id: 'bundle',
  unit: 'kB gzipped',
  against: `${LIMIT_KB} kB`,
  goal: { ratio: 1, at: 'most' },
  measure: async () => {
    const { entry } = await bundled(source);
    return { ours: gzippedBytes(entry) / 1000, limit: LIMIT_KB };
  },
};
