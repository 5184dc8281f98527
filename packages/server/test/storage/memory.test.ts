import { describe, it } from 'vitest';
import { memory } from '@holdfast/server/storage/memory';
import { storageConformance } from '@holdfast/server/storage/conformance';

describe('the memory driver keeps the law of storage', () => {
  const law = storageConformance({
    open: async (now) => memory({ now }),
    reopen: { skip: 'It keeps nothing beyond its process, by design.' },
  });
  for (const { name, run } of law) it(name, run);
});
