import { Mirror, nodeKey } from '@holdfast/engine/mirror';
import { UploadBook } from '@holdfast/engine/mirror/uploads';
import type { RenderSlots, ViewDefinition } from '@holdfast/engine/view';
import fc from 'fast-check';
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

test.each([
  [2, false],
  [200, true],
])(
  'V70 of a client that lags while %d nodes come and go, two hundred times, too much has to be kept: %s',
  async (count, isTooMuch) => {
    const brief: ViewDefinition = {
      name: 'brief',
      uploads: { file: { accept: 'any' } },
      render: (_, h) => ({ file: h.upload('file') }),
    };
    const view: ViewDefinition = {
      name: 'parent',
      mount: () => ({ id: 'first' }),
      render: (state, h) => ({ c: h.child(brief, (state as { id: string }).id) }),
      commands: { show: { run: (ctx, id) => ctx.update({ id }) } },
    };
    const rig = new Rig(view, { limits: { held_bytes: 5000 } });
    const client = await rig.open();
    rig.step({ type: 'lagging', subscriber: client.id });
    for (let turn = 0; turn < 200; turn++) void client.send('show', `id ${turn % count}`);
    await rig.settle();
    expect(rig.of('drop')).toHaveLength(isTooMuch ? 1 : 0);
  },
);

test.each([
  [{}, 1],
  [{ retain: true, limit: 3 }, 0],
])(
  'V70 what goes through a stream (%o) while a client lags is kept for it only where the server does not hold it',
  async (definition, dropped) => {
    const kind = { ...child, streams: { log: definition } };
    const view = { ...parent, render: (_: unknown, h: RenderSlots) => ({ c: h.child(kind, 'c') }) };
    const rig = new Rig(view, { limits: { held_bytes: 2000 } });
    const client = await rig.open();
    rig.step({ type: 'lagging', subscriber: client.id });
    for (let id = 0; id < 50; id++) void client.send('log', id, { storeId: ['c'] });
    await rig.settle();
    expect(rig.of('drop')).toHaveLength(dropped);
  },
);

test('V70 of each file that went on while its client lagged the catch-up says how far it is', async () => {
  const rig = new Rig(parent);
  const client = await rig.open();
  allow(rig);
  allow(rig);
  await rig.settle();
  const [first = '', second = ''] = rig.of('opened').map(({ target }) => target.ref);
  rig.step({ type: 'lagging', subscriber: client.id });
  rig.step({ type: 'received', ref: first, progress: 30 });
  rig.step({ type: 'received', ref: second, progress: 60 });
  await rig.advance(500);
  rig.step({ type: 'received', ref: second, progress: 70 });
  await rig.advance(500);
  rig.step({ type: 'recovered', subscriber: client.id });
  expect(client.last?.tail.content.upload_ops).toMatchObject([
    { op: 'progress', ref: first, progress: 30 },
    { op: 'progress', ref: second, progress: 70 },
  ]);
});

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

const kindOf = (name: string, more: ViewDefinition['streams'] = {}): ViewDefinition => ({
  ...child,
  name,
  streams: { log: {}, kept: { retain: true, limit: 3 }, ...more },
  mount: (ctx) => {
    if (name === 'seeded') ctx.stream('log').insert({ id: 'seed' });
  },
  render: (_, h) => ({ log: h.stream('log'), kept: h.stream('kept'), file: h.upload('file') }),
  commands: {
    log: { run: (ctx, id) => ctx.stream('log').insert({ id }, { at: 0, limit: 4 }) },
    keep: { run: (ctx, id) => ctx.stream('kept').insert({ id }) },
    drop: { run: (ctx, id) => ctx.stream('log').delete({ id }) },
    clear: { run: (ctx) => ctx.stream('log').reset([{ id: 'fresh' }]) },
  },
});
const kinds = {
  plain: kindOf('plain'),
  seeded: kindOf('seeded'),
  turned: kindOf('turned', { log: { retain: true, limit: 3 }, kept: {} }),
};
type Kind = keyof typeof kinds | null;

const changing: ViewDefinition = {
  name: 'parent',
  mount: () => ({ c: 'plain', d: null }),
  render: (state, h) => {
    const place = (id: string, kind: Kind): unknown => (kind ? h.child(kinds[kind], id) : null);
    const { c, d } = state as { c: Kind; d: Kind };
    return { c: place('c', c), d: place('d', d) };
  },
  commands: { set: { run: (ctx, change) => ctx.update((s: object) => Object.assign(s, change)) } },
};

const slot = fc.constantFrom('c', 'd');
const move = fc.oneof(
  fc.tuple(
    fc.constant('set' as const),
    slot,
    fc.constantFrom<Kind>('plain', 'seeded', 'turned', null),
  ),
  fc.tuple(fc.constantFrom('log', 'keep', 'drop', 'clear'), slot, fc.nat(5)),
  fc.tuple(fc.constantFrom('file', 'cancel', 'turn', 'lag', 'recover'), slot, fc.nat(2)),
);

/** Does these things; where `lags`, the client lags as they say. Gives what it shows in the end. */
async function played(moves: readonly (readonly [string, string, unknown])[], lags: boolean) {
  const rig = new Rig(changing);
  const client = await rig.open();
  const name = 'file';
  for (const [what, at, how] of moves) {
    const of = { ticket: rig.ticket(() => undefined), subscriber: 1, store_id: [at], name };
    const size = { size: 1, type: '' };
    if (what === 'set') void client.send('set', { [at]: how });
    else if (what === 'file') {
      const entries = [{ client_ref: '0', name: `${String(how)}.png`, ...size }];
      rig.step({ type: 'allow_upload', ...of, entries });
    } else if (what === 'cancel') {
      rig.step({ type: 'cancel_upload', ...of, ref: `u_${String(how)}` });
    } else if (what === 'turn') await rig.advance(100);
    else if (what !== 'lag' && what !== 'recover') {
      void client.send(what, how, { storeId: [at] });
    } else if (lags) {
      rig.step({ type: what === 'lag' ? 'lagging' : 'recovered', subscriber: 1 });
    }
    await rig.settle();
  }
  await rig.advance(1000);
  if (lags) rig.step({ type: 'recovered', subscriber: 1 });
  return shownOf(client);
}

test('V70 whatever ended, came and was said meanwhile, who lagged shows in the end what who never did shows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 30 }), async (moves) => {
      expect(await played(moves, true)).toEqual(await played(moves, false));
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 100) },
  );
});
