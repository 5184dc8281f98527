import { once } from 'node:events';
import type { Store } from '@holdfast/client';
import { app } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type Draft, Edits } from '../src/model/edits.ts';
import { openStore } from './store.ts';

const schema = z.object({ title: z.string() });
const item = record({
  name: 'item',
  store: 'demo/main',
  path: 'items/:id',
  version: '1.0',
  schema,
});

type Hub = { readonly subscribe: (listener: () => void) => () => void };

/** Resolves when something is so, as seen at each change. */
function when(hub: Hub, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (holds()) resolve();
    };
    onTestFinished(hub.subscribe(look));
    look();
  });
}

/** A store of items, whose storage takes nothing until it is told to. */
async function openItems(): Promise<{ readonly store: Store; readonly release: () => void }> {
  const storage = memory();
  const append = storage.append.bind(storage);
  const gate = new AbortController();
  storage.append = async (...args) => {
    if (!gate.signal.aborted) await once(gate.signal, 'abort');
    return append(...args);
  };
  const store = await openStore({ storage, app: app({ records: [item] }) });
  return { store, release: () => gate.abort() };
}

test('an edit that is mended and saved again before it is refused is the one that stays', async () => {
  const { store, release } = await openItems();
  const edits = new Edits(store);
  const draft = (): Draft | undefined => edits.drafts.get().get('items/a');
  const before = store.put('other', 1);
  edits.change('items/a', '{"title": 5}');
  expect(edits.save('items/a')).toBe(true);
  await when(store.outbox, () => store.outbox.list().at(-1)?.state === 'sent');
  edits.change('items/a', '{"title": "five"}');
  expect(edits.save('items/a')).toBe(true);
  expect(draft()).toMatchObject({ text: '{"title": "five"}', isQueued: true });
  release();
  await before.committed;
  await when(edits.drafts, () => draft()?.isQueued !== true);
  await store.settled();
  expect(draft()).toBeUndefined();
  expect(store.get('items/a')).toEqual({ title: 'five' });
});
