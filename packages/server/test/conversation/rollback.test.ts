import { expect, test } from 'vitest';

import { dialects, put, reasonOf, tongues, write } from './talk.ts';
import { topic, world } from './world.ts';

test.each(tongues)(
  'S91 a path goes back, everybody hears of it, and again is a noop: %s',
  async (_, knock) => {
    const here = await world();
    const peer = await here.joined(knock);
    const reader = await here.joined({ capver: '3', device: 'reader' });
    await put(peer, 'a', 1);
    await put(peer, 'a', 2);
    await put(peer, 'b', 3);
    const back = (payload: object) => peer.ask(topic, 'rollback', payload);
    expect(await back({ path: 'a', to_seq: 1 })).toEqual({
      status: 'ok',
      response: { store_seq: 4 },
    });
    await reader.until((frame) => frame[3] === 'event' && frame[4]['store_seq'] === 4);
    expect(await back({ path: 'a', to_seq: 1 })).toEqual({
      status: 'ok',
      response: { store_seq: 4, noop: true },
    });
    expect(await back({ path_segments: ['a'], to_seq: 0 })).toMatchObject({
      response: { store_seq: 5 },
    });
  },
);

test.each(dialects)('S92 the store goes back in one commit that all hear: %s', async (_, knock) => {
  const here = await world();
  const peer = await here.joined(knock);
  await write(peer, 'increment', 'n', { value: 5 });
  await write(peer, 'add', 's', { value: 'x' });
  await put(peer, 'n', 'overwritten');
  await put(peer, 'other', 1);
  expect(await peer.ask(topic, 'rollback', { to_seq: 2 })).toEqual({
    status: 'ok',
    response: { ops_written: 2, store_seq: 6 },
  });
  expect(await peer.ask(topic, 'rollback', { to_seq: 2 })).toMatchObject({
    response: { ops_written: 0 },
  });
});

test('S9 a rollback without to_seq, or to a seq that is none of the store, is refused and the channel lives', async () => {
  const here = await world();
  const peer = await here.joined();
  const reason = async (payload: object) => reasonOf(await peer.ask(topic, 'rollback', payload));
  expect(await reason({ to_seq: 0 })).toBe('no_ops');
  await put(peer, 'a', 1);
  expect(await reason({})).toBe('invalid_payload');
  expect(await reason({ to_seq: 2 })).toBe('invalid_seq');
  expect(await reason({ to_seq: 'x' })).toBe('invalid_seq');
  expect(await reason({ to_seq: -1 })).toBe('beyond_retention');
  expect(await reason({ path: '', to_seq: 0 })).toBe('empty_path');
  await put(peer, 'a', 2);
});

test('S27 what is reserved is not rolled back by a client either', async () => {
  const here = await world();
  const peer = await here.joined();
  await put(peer, 'a', 1);
  for (const path of ['_hf:schema', '_hf:schema/user', '_dust:last_seq']) {
    expect(reasonOf(await peer.ask(topic, 'rollback', { path, to_seq: 0 }))).toBe('reserved_path');
  }
  expect(await put(peer, 'a', 2)).toBe(2);
});
