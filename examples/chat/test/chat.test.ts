import { testView } from '@holdfast/server/testing';
import { expect, test } from 'vitest';
import { lobby, room } from '../src/server/chat.ts';

const ada = { subject: 'Ada' };
const id = '3f0c1c1e-5a3b-4d5c-9d8e-0a1b2c3d4e5f';

/** The store of a chat in which something was said. */
const stores = {
  'team/chat': {
    messages: {
      general: {
        b: { id: 'b', number: 2, author: 'Grace', at: 2000, text: 'second', picture: null },
        a: { id: 'a', number: 1, author: 'Grace', at: 1000, text: 'first', picture: null },
      },
    },
    counts: { general: 2 },
  },
};

test('a room begins with what its store has, in the order in which it was said', async () => {
  const tested = await testView(room, { params: { room: 'general' }, principal: ada, stores });
  expect(tested.snapshot().messages.map(({ text }) => text)).toEqual(['first', 'second']);
  await tested.end();
});

test('a message that comes twice is stored and shown once', async () => {
  const tested = await testView(room, { params: { room: 'general' }, principal: ada, stores });
  const message = { id, text: 'third', picture: null };
  await tested.dispatch('send', message);
  await tested.dispatch('send', message);
  expect(tested.snapshot().messages.map(({ number }) => number)).toEqual([1, 2, 3]);
  const store = tested.store('team/chat');
  await store.ready;
  expect(store.get('counts')).toEqual({ general: 3 });
  await tested.end();
});

test('a picture that never came is refused, and nothing is said', async () => {
  const tested = await testView(room, { params: { room: 'general' }, principal: ada, stores });
  const picture = { ref: 'none', width: 1, height: 1 };
  await expect(tested.dispatch('send', { id, text: 'look', picture })).rejects.toMatchObject({
    code: 'picture_missing',
  });
  expect(tested.snapshot().messages.length).toBe(2);
  await tested.end();
});

test('the lobby counts what is new to the one who looks, until it is read', async () => {
  const tested = await testView(lobby, { principal: ada, stores });
  expect(tested.snapshot().rooms[0]).toMatchObject({ id: 'general', count: 2, read: 0 });
  await tested.dispatch('read', { room: 'general' });
  expect(tested.snapshot().rooms[0]).toMatchObject({ id: 'general', count: 2, read: 2 });
  await tested.end();
});
