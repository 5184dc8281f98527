import { memoryBlobs } from '@holdfast/server/blobs/memory';
import { blobConformance } from '@holdfast/server/blobs/conformance';
import { describe, test } from 'vitest';

describe('blobs in memory', () => {
  const law = blobConformance({
    open: async () => memoryBlobs(),
    reopen: { skip: 'nothing outlives the process' },
  });
  for (const { name, run } of law) test(name, run);
});
