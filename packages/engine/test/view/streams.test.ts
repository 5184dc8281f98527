import type {
  StreamDefinition,
  StreamHandle,
  StreamPlace,
  ViewDefinition,
} from '@holdfast/engine/view';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rig, type ViewClient } from './instance-rig.ts';

type Step = (stream: StreamHandle) => void;

/** A view with one stream, whose command does to it what a test says. */
function withStream(definition: StreamDefinition, seed?: Step): ViewDefinition {
  return {
    name: 'feed',
    streams: { log: definition },
    mount: (ctx) => {
      seed?.(ctx.stream('log'));
      return {};
    },
    render: (_, h) => ({ log: h.stream('log') }),
    commands: { do: { run: (ctx, step) => (step as Step)(ctx.stream('log')) } },
  };
}

async function feed(
  definition: StreamDefinition,
  seed?: Step,
): Promise<{ rig: Rig; client: ViewClient }> {
  const rig = new Rig(withStream(definition, seed));
  return { rig, client: await rig.open() };
}

const ids = (client: ViewClient): unknown[] =>
  client.items('log').map((item) => (item as { id: unknown }).id);

const seeded =
  (count: number): Step =>
  (stream) =>
    stream.reset(Array.from({ length: count }, (_, index) => ({ id: index + 1 })));

test('a seed of a mount is preceded by one reset', async () => {
  const { client } = await feed({}, (stream) => stream.insert({ id: 1 }));
  expect(client.last?.tail.content.stream_ops).toEqual([
    { op: 'reset', stream: 'log', ref: '0', store_id: [] },
    {
      op: 'insert',
      stream: 'log',
      ref: '0',
      store_id: [],
      item_key: 'log-1',
      at: -1,
      item: { id: 1 },
      limit: null,
    },
  ]);
  const { client: other } = await feed({}, seeded(2));
  expect(other.last?.tail.content.stream_ops.map(({ op }) => op)).toEqual([
    'reset',
    'insert',
    'insert',
  ]);
});

test('V40 ops of one cycle are sent in the order of the calls', async () => {
  const { client } = await feed({}, seeded(2));
  await client.dispatch('do', (stream: StreamHandle) => {
    stream.delete({ id: 1 });
    stream.insert({ id: 1, again: true });
  });
  expect(ids(client)).toEqual([2, 1]);
  await client.dispatch('do', (stream: StreamHandle) => {
    stream.insert({ id: 9 });
    stream.reset();
  });
  expect(ids(client)).toEqual([]);
  expect(client.heard).toHaveLength(3);
});

test('V41 a declared limit goes with every insert that has none of its own', async () => {
  const { client } = await feed({ limit: 2 });
  await client.dispatch('do', (stream: StreamHandle) => {
    for (const id of [1, 2, 3]) stream.insert({ id });
    stream.insert({ id: 4 }, { limit: null });
  });
  const limits = client.last?.tail.content.stream_ops.map((op) => op.op === 'insert' && op.limit);
  expect(limits).toEqual([2, 2, 2, null]);
  expect(ids(client)).toEqual([2, 3, 4]);
});

test('V41 with trim the end that is cut is fixed, and cut by deletes', async () => {
  const { client } = await feed({ limit: 2, retain: true, trim: 'end' });
  await client.dispatch('do', (stream: StreamHandle) => {
    for (const id of [1, 2, 3]) stream.insert({ id });
    expect(stream.items()).toEqual([{ id: 1 }, { id: 2 }]);
  });
  expect(client.last?.tail.content.stream_ops.at(-1)).toMatchObject({
    op: 'delete',
    item_key: 'log-3',
  });
  expect(ids(client)).toEqual([1, 2]);
});

test('of a seed larger than the limit only the survivors are sent', async () => {
  const { client } = await feed({ limit: 3 }, seeded(10));
  expect(client.last?.tail.content.stream_ops).toHaveLength(4);
  expect(ids(client)).toEqual([8, 9, 10]);
});

test.each([
  { trim: 'end', at: -1 },
  { trim: 'end', at: 0 },
  { trim: 'start', at: -1 },
  { trim: 'start', at: 0 },
  { trim: undefined, at: 0 },
  { trim: undefined, at: 1 },
] as const)(
  'a seed larger than the limit leaves what its items leave one after the other, cut at the $trim, put in at $at',
  async ({ trim, at }) => {
    const definition = { limit: 2, retain: true, ...(trim !== undefined && { trim }) };
    const items = [1, 2, 3, 1, 4].map((id) => ({ id }));
    const seed: Step = (stream) => stream.reset(items, { at });
    const { client } = await feed(definition, seed);
    const { client: other } = await feed(definition, (stream) => {
      stream.reset();
      for (const item of items) stream.insert(item, { at });
    });
    expect(ids(client)).toEqual(ids(other));
  },
);

test('V38 of a retained stream the server holds the first items where they are put in at 0, and the last elsewhere', async () => {
  for (const [at, left] of [
    [0, [3, 2]],
    [-1, [2, 3]],
    [1, [3, 2]],
  ] as const) {
    let held: unknown;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { client } = await feed({ limit: 2, retain: true }, (stream) => {
      for (const id of [1, 2, 3]) stream.insert({ id }, { at });
    });
    // oxlint-disable-next-line no-await-in-loop -- the same
    await client.dispatch('do', (stream: StreamHandle) => (held = stream.items()));
    expect(held).toEqual(left.map((id) => ({ id })));
    expect(ids(client)).toEqual(left);
  }
});

test('an item is updated in its place, and one that is not there not at all', async () => {
  const { client } = await feed({ limit: 5, retain: true }, seeded(3));
  await client.dispatch('do', (stream: StreamHandle) => stream.update({ id: 2, text: 'new' }));
  expect(client.items('log')).toEqual([{ id: 1 }, { id: 2, text: 'new' }, { id: 3 }]);
  await client.dispatch('do', (stream: StreamHandle) => {
    stream.update({ id: 8 });
    stream.deleteKey('log-8');
  });
  expect(client.heard).toHaveLength(2);
});

test('V42 the stream of a node that vanished and returned starts empty', async () => {
  const child = withStream({ limit: 9, retain: true });
  const rig = new Rig({
    name: 'root',
    mount: () => ({ has: true }),
    render: (state, h) => ({ c: (state as { has: boolean }).has ? h.child(child, 'c') : null }),
    commands: {
      toggle: { run: (ctx) => ctx.update((s: { has: boolean }) => void (s.has = !s.has)) },
    },
  });
  const client = await rig.open();
  await client.dispatch('do', seeded(2), { storeId: ['c'] });
  expect(client.items('log', ['c'])).toHaveLength(2);
  await client.dispatch('toggle');
  await client.dispatch('toggle');
  const other = await rig.join({ id: 2 });
  expect(other.items('log', ['c'])).toEqual([]);
});

test('V43 of a stream that is not retained the server holds nothing', async () => {
  const { client } = await feed({}, seeded(10_000));
  expect(client.items('log')).toHaveLength(10_000);
  const reply = await client.dispatch('do', (stream: StreamHandle) => void stream.items());
  expect(reply).toMatchObject({ error: { reason: 'internal_error' } });
});

test.each([
  ['no id', { text: 'x' }, {}],
  ['a bad place', { id: 1 }, { at: -2 }],
  ['a limit that is no integer', { id: 1 }, { limit: 1.5 }],
])('an item with %s is refused', async (_, item, place) => {
  const { client } = await feed({});
  const reply = await client.dispatch('do', (stream: StreamHandle) => stream.insert(item, place));
  expect(reply).toMatchObject({ error: { reason: 'internal_error' } });
  expect(client.heard).toHaveLength(1);
});

test('V24 what a failed command did to a retained stream is taken back', async () => {
  const { client } = await feed({ limit: 9, retain: true }, seeded(2));
  await client.dispatch('do', (stream: StreamHandle) => {
    stream.reset([{ id: 7 }]);
    throw new Error('no');
  });
  await client.dispatch('do', (stream: StreamHandle) => {
    expect(stream.items()).toEqual([{ id: 1 }, { id: 2 }]);
  });
  expect(client.heard).toHaveLength(1);
});

const place = fc.record(
  { at: fc.integer({ min: -1, max: 5 }), limit: fc.option(fc.integer({ min: -4, max: 4 })) },
  { requiredKeys: [] },
);
const step = fc.oneof(
  fc.tuple(fc.constant('insert' as const), fc.nat(6), place),
  fc.tuple(fc.constant('delete' as const), fc.nat(6), place),
  fc.tuple(fc.constant('update' as const), fc.nat(6), place),
  fc.tuple(fc.constant('reset' as const), fc.nat(6), place),
);

function take(
  stream: StreamHandle,
  [kind, id, where]: readonly [string, number, StreamPlace],
): void {
  if (kind === 'insert') stream.insert({ id }, where);
  else if (kind === 'delete') stream.delete({ id });
  else if (kind === 'update') stream.update({ id, at: id });
  else stream.reset([{ id }, { id: id + 1 }, { id }], where);
}

test('V38 what the server holds of a stream is what clients have of it, whoever comes when', async () => {
  const definitions = fc.constantFrom<StreamDefinition>(
    { limit: 3, retain: true },
    { limit: 3, retain: true, trim: 'start' },
    { limit: 3, retain: true, trim: 'end' },
    { limit: 0, retain: true },
  );
  await fc.assert(
    fc.asyncProperty(
      definitions,
      fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 6 }),
      async (definition, rounds) => {
        const { rig, client } = await feed(definition);
        for (const round of rounds) {
          // oxlint-disable-next-line no-await-in-loop -- one command after the other
          await client.dispatch('do', (stream: StreamHandle) => {
            for (const one of round) take(stream, one);
          });
        }
        const late = await rig.join({ id: 2 });
        expect(late.items('log')).toEqual(client.items('log'));
      },
    ),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60) },
  );
});
