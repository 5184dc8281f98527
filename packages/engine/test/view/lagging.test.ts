import { Mirror, nodeKey } from '@holdfast/engine/mirror';
import { UploadBook } from '@holdfast/engine/mirror/uploads';
import type { ViewDefinition } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Rig, type ViewClient } from './instance-rig.ts';
import { object } from './schemas.ts';

const child: ViewDefinition = {
  name: 'child',
  streams: { log: {} },
  uploads: { file: { accept: 'any', maxEntries: 5 } },
  render: (_, h) => ({ log: h.stream('log'), file: h.upload('file') }),
  commands: { log: { run: (ctx, id) => ctx.stream('log').insert({ id }) } },
};

const parent: ViewDefinition = {
  name: 'parent',
  mount: () => ({ has: true }),
  render: (state, h) => ({ c: (state as { has: boolean }).has ? h.child(child, 'c') : null }),
  commands: {
    toggle: { run: (ctx) => ctx.update((s: { has: boolean }) => void (s.has = !s.has)) },
  },
};

/** What a client of ours shows of all that it was sent. */
function shownOf(client: ViewClient): unknown {
  const mirror = new Mirror({ freeze: true });
  mirror.useReader(new UploadBook());
  mirror.joined({ rootId: 'parent:main', capver: 4, resumed: false });
  for (const { base, version, tail } of client.heard) {
    const told = { type: 'patch', root_id: 'parent:main', base_version: base, version };
    expect(mirror.take({ ...told, ...tail.content })).not.toBeNull();
  }
  return mirror.snapshot(nodeKey([]));
}

/** The first client wants to bring a file. */
function allow(rig: Rig): void {
  const entries = [{ client_ref: '0', name: 'a.png', size: 1, type: '' }];
  const ticket = rig.ticket(() => undefined);
  const what = { store_id: ['c'], name: 'file', entries };
  rig.step({ type: 'allow_upload', ticket, subscriber: 1, ...what });
}

test('V42 V70 what a node held that vanished and returned while a client lagged is not shown by the catch-up', async () => {
  const rig = new Rig(parent);
  const client = await rig.open();
  await client.dispatch('log', 'a', { storeId: ['c'] });
  allow(rig);
  await rig.advance(100);
  expect(shownOf(client)).toMatchObject({ c: { log: [{ id: 'a' }], file: { entries: [{}] } } });
  rig.step({ type: 'lagging', subscriber: client.id });
  await client.dispatch('log', 'unseen', { storeId: ['c'] });
  allow(rig);
  await rig.advance(100);
  await client.dispatch('toggle');
  await client.dispatch('toggle');
  await client.dispatch('log', 'b', { storeId: ['c'] });
  rig.step({ type: 'recovered', subscriber: client.id });
  expect(shownOf(client)).toMatchObject({ c: { log: [{ id: 'b' }], file: { entries: [] } } });
  // What was said to one that is gone is for nobody, and what is not there is emptied for nobody.
  rig.step({ type: 'lagging', subscriber: client.id });
  await client.dispatch('log', 'lost', { storeId: ['c'] });
  await client.dispatch('toggle');
  rig.step({ type: 'recovered', subscriber: client.id });
  expect(client.last?.tail.content).toMatchObject({ stream_ops: [], upload_ops: [] });
  expect(shownOf(client)).toEqual({ c: null });
  rig.step({ type: 'lagging', subscriber: client.id });
  await client.dispatch('toggle');
  rig.step({ type: 'recovered', subscriber: client.id });
  expect(shownOf(client)).toMatchObject({ c: { log: [] } });
});

test.each([{}, { retain: true, limit: 9 }])(
  'V42 V70 a stream (%o) that nobody has used since its node returned is shown empty by the catch-up',
  async (definition) => {
    const kind = { ...child, streams: { log: definition } };
    const rig = new Rig({
      ...parent,
      render: (state, h) => ({ c: (state as { has: boolean }).has ? h.child(kind, 'c') : null }),
    });
    const client = await rig.open();
    await client.dispatch('log', 'a', { storeId: ['c'] });
    rig.step({ type: 'lagging', subscriber: client.id });
    await client.dispatch('toggle');
    await client.dispatch('toggle');
    rig.step({ type: 'recovered', subscriber: client.id });
    expect(shownOf(client)).toMatchObject({ c: { log: [] } });
  },
);

const event = (n: number): object => ({ store_id: [], name: 'said', payload: { n } });

test('V70 of the events that a client has not been sent the catch-up brings the newest, up to their limit, in order', async () => {
  const limits = { lagged_event_bytes: 3 * JSON.stringify(event(1)).length };
  const view: ViewDefinition = {
    name: 'talker',
    events: { said: object({ n: 'number' }) },
    render: () => ({}),
    commands: { say: { run: (ctx, n) => ctx.send('said', { n }) } },
  };
  for (const [count, told] of [
    [3, [1, 2, 3]],
    [4, [2, 3, 4]],
    [9, [7, 8, 9]],
  ] as const) {
    const rig = new Rig(view, { limits });
    // oxlint-disable-next-line no-await-in-loop -- one rig after the other
    const client = await rig.open();
    rig.step({ type: 'lagging', subscriber: client.id });
    // oxlint-disable-next-line no-await-in-loop -- as above
    for (let n = 1; n <= count; n++) await client.dispatch('say', n);
    rig.step({ type: 'recovered', subscriber: client.id });
    expect(client.events).toEqual(told.map(event));
  }
});
