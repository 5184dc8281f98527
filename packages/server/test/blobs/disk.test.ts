import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { blobConformance } from '@holdfast/server/blobs/conformance';
import { diskBlobs } from '@holdfast/server/blobs/disk';
import { afterAll, describe, expect, test } from 'vitest';

const home = mkdtempSync(join(tmpdir(), 'holdfast-blobs-'));
afterAll(() => rmSync(home, { recursive: true }));
let directories = 0;
const nextDirectory = (): string => join(home, String((directories += 1)));

async function* from(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}

describe('blobs on disk', () => {
  let last = '';
  const law = blobConformance({
    open: async () => diskBlobs({ directory: (last = nextDirectory()) }),
    reopen: async () => diskBlobs({ directory: last }),
  });
  for (const { name, run } of law) test(name, run);

  test('what lies about among the blobs is not taken for one', async () => {
    const directory = nextDirectory();
    const blobs = diskBlobs({ directory });
    await blobs.append(`upload:${'c'.repeat(64)}`, 0, from('x'));
    writeFileSync(join(directory, 'uploads', 'notes.txt'), 'x');
    mkdirSync(join(directory, 'blobs', 'cc'), { recursive: true });
    writeFileSync(join(directory, 'blobs', 'cc', '.DS_Store'), 'x');
    const names: string[] = [];
    for await (const { name } of blobs.list()) names.push(name);
    expect(names).toEqual([`upload:${'c'.repeat(64)}`]);
  });

  test('a disk that does not take a file says so, and what to do', async () => {
    const blobs = diskBlobs({ directory: '/dev/null/x' });
    await expect(blobs.append(`upload:${'c'.repeat(64)}`, 0, from('x'))).rejects.toMatchObject({
      reason: 'io',
      message: expect.stringContaining('Check the disk'),
    });
  });
});
