import { type Storage, StorageError } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { topic, world } from './world.ts';

/** A storage whose `open` fails so many times, as a disk does that is in trouble for a while. */
function troubled(times: number): Storage {
  const storage = memory();
  const open = storage.open.bind(storage);
  let left = times;
  storage.open = async (store) => {
    left -= 1;
    if (left >= 0) throw new StorageError('io', 'the disk is in trouble');
    return open(store);
  };
  return storage;
}

test('a join that fails for the sake of the disk is unavailable for a while, not crashed for good', async () => {
  const { connect } = await world({ storage: troubled(1) });
  const peer = await connect();
  expect(await peer.join(topic)).toEqual({
    status: 'error',
    response: { reason: 'unavailable', retry_after_ms: 1000 },
  });
  // The registry remembers an error for a second.
  await expect.poll(async () => (await peer.join(topic)).status).toBe('ok');
});

test('a capver-3 client hears of a crash, which is all that it knows', async () => {
  const { connect } = await world({ storage: troubled(1) });
  const peer = await connect({ capver: '3' });
  expect((await peer.join(topic)).response).toEqual({ reason: 'join crashed' });
});
