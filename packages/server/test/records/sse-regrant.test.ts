import { passthrough, record } from '@holdfast/protocol';
import type { PathRule } from '@holdfast/server';
import { expect, onTestFinished, test } from 'vitest';
import { world } from '../conversation/world.ts';
import { eventsOf, post } from './sse-reader.ts';

const Note = record({
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number }>(),
});
const keyOf = (id: string): string => `rec/demo/main/notes/${id}`;
const part: readonly PathRule[] = [{ pattern: 'notes/open/**', allow: ['read'] }];

type Answer = { readonly [field: string]: unknown };

/** Two notes, one of which is hidden from who has rules; what is answered to a request. */
async function site() {
  const { server } = await world();
  const notes = server.record(Note);
  for (const id of ['shut', 'open']) await notes.write({ id }, { set: { n: 1 } });
  const handler = server.syncHandler({ authorize: 'public' });
  const open = async (init: RequestInit, pathRules: readonly PathRule[] | null) => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const isPost = init.method === 'POST';
    const query = `?key=${keyOf('shut')}&key=${keyOf('open')}`;
    const url = `http://x/api/records${isPost ? '/handshake' : query}`;
    const request = new Request(url, { ...init, signal: abort.signal });
    const ctx = { principal: { subject: 'eve', pathRules }, now: 0 };
    return (isPost ? handler.POST : handler.GET)(request, ctx);
  };
  /** What a handshake answers. */
  const ask = async (
    requests: readonly Answer[],
    rules: readonly PathRule[] | null,
  ): Promise<readonly Answer[]> => {
    const response = await open(post(requests), rules);
    return ((await response.json()) as { answers: readonly Answer[] }).answers;
  };
  /** What a stream begins with: the types of its answers, and the last id. */
  const stream = async (id: string | null, rules: readonly PathRule[] | null) => {
    const headers: HeadersInit = id === null ? {} : { 'last-event-id': id };
    const events = eventsOf(await open({ headers }, rules));
    const types = [];
    let last = id;
    for (;;) {
      const told = await events();
      last = told.id ?? last;
      if (told.event === 'ready') return { types, last, events };
      types.push((told.data as Answer)['type']);
    }
  };
  return { notes, ask, stream };
}

test('R258 what was told to be gone while rules hid it is told anew to who may read it again', async () => {
  const { ask } = await site();
  const key = keyOf('shut');
  const [before] = await ask([{ key }], null);
  expect(before).toMatchObject({ type: 'snapshot', view: 'all' });
  const { incarnation, sequence } = Object(before?.['envelope']) as Answer;
  const [hidden] = await ask([{ key, incarnation, sequence, view: 'all' }], part);
  expect(hidden).toMatchObject({ type: 'gone' });
  const gone = { key, incarnation, sequence: hidden?.['sequence'] };
  for (const has of [gone, { ...gone, view: 'all' }]) {
    const [after] = await ask([has], null);
    expect(after).toMatchObject({ type: 'snapshot', reset: true, envelope: { value: { n: 1 } } });
  }
  const [kept] = await ask([{ key, incarnation, sequence, view: 'all' }], null);
  expect(kept).toMatchObject({ type: 'current' });
});

test.each([
  ['is new', true],
  ['goes on', false],
])(
  'R258 a stream that comes back by its last id after rules hid something, and hide it no more, has it, where the one between %s',
  async (_, isNew) => {
    const { notes, stream } = await site();
    const before = await stream(null, null);
    expect(before.types).toEqual(['snapshot', 'snapshot']);
    expect((await stream(before.last, null)).types).toEqual(['current', 'current']);
    const between = await stream(isNew ? null : before.last, part);
    expect(between.types[0]).toBe('gone');
    await notes.write({ id: 'open' }, { set: { n: 2 } });
    const { id } = await between.events();
    for (const last of [between.last, id ?? '']) {
      const after = await stream(last, null);
      expect(after.types).toEqual(['snapshot', 'snapshot']);
      expect((await stream(after.last, null)).types).toEqual(['current', 'current']);
    }
  },
);
