// A server process that stops for ever at one moment of an upload; `crash.test.ts` starts and kills it.
import type { Blobs } from '@holdfast/server/blobs';
import { diskBlobs } from '@holdfast/server/blobs/disk';
import { s3Blobs } from '@holdfast/server/blobs/s3';
import { createServer } from '@holdfast/server';
import type { Storage } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { join } from 'node:path';
import { clientOf } from '../blobs/bucket.ts';
import { everything } from '../conversation/world.ts';

const [, , data = '', moment = '', endpoint] = process.argv;

/** Tells the parent that the moment has come, and waits to be killed. */
function stopAt(name: string): Promise<void> {
  if (name !== moment) return Promise.resolve();
  process.send?.({ reached: name });
  return new Promise(() => undefined);
}

function stopping(blobs: Blobs): Blobs {
  return {
    stat: (hash) => blobs.stat(hash),
    read: (hash, range) => blobs.read(hash, range),
    received: (upload) => blobs.received(upload),
    append: async (upload, from, bytes) => {
      const received = await blobs.append(upload, from, bytes);
      await stopAt('received');
      return received;
    },
    finish: async (upload, hash) => {
      await stopAt('complete');
      const size = await blobs.finish(upload, hash);
      await stopAt('finished');
      return size;
    },
    delete: (name) => blobs.delete(name),
    list: () => blobs.list(),
  };
}

const disk = sqlite({ directory: data });
const storage: Storage = {
  stores: disk.stores,
  tokens: disk.tokens,
  devices: disk.devices,
  files: disk.files,
  webhooks: disk.webhooks,
  audit: disk.audit,
  keys: disk.keys,
  open: (store) => disk.open(store),
  load: (store) => disk.load(store),
  append: async (store, expected, batch) => {
    await stopAt('deciding');
    const result = await disk.append(store, expected, batch);
    await stopAt('stored');
    return result;
  },
  read: (store, after, limit) => disk.read(store, after, limit),
  answers: (store, asked) => disk.answers(store, asked),
  markers: (store, after, limit) => disk.markers(store, after, limit),
  compact: (store, through, limit) => disk.compact(store, through, limit),
  size: () => disk.size(),
  now: () => disk.now(),
  close: () => disk.close(),
};

const server = createServer({
  rates: false,
  storage,
  files: stopping(
    endpoint === undefined
      ? diskBlobs({ directory: join(data, 'files') })
      : s3Blobs({ client: clientOf(endpoint), bucket: 'files' }),
  ),
  authenticate: async ({ token }) => (token === 'dev' ? everything : null),
});
await server.stores.create('demo/main');
const { url } = await server.listen();
process.send?.({ url });
