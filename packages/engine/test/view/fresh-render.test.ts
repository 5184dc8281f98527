import type { RenderSlots, ViewContext, ViewDefinition } from '@holdfast/engine/view';
import type { Json } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rig, type ViewClient } from './instance-rig.ts';
import type { TestHandle } from './test-stores.ts';

/*
 * Views whose output is a function of a shape that commands change: then what a client has after any history must be what
 * a fresh instance of the same shape renders at once.
 */

type Shape = {
  readonly text: number;
  /** In a list, under its own id. */
  readonly list: readonly (readonly [string, Shape])[];
  /** In a nullable field. */
  readonly panel: Shape | null;
  /** Plain data beside. */
  readonly rows: readonly { readonly id: number; readonly n: number }[];
};

const leaf: fc.Arbitrary<Shape> = fc.record({
  text: fc.nat(3),
  list: fc.constant([]),
  panel: fc.constant(null),
  rows: fc.constant([]),
});

const shape = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.record({
    text: fc.nat(3),
    list: fc.uniqueArray(
      fc.tuple(
        fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        fc.oneof({ depthSize: 'small' }, leaf, tie('shape')),
      ),
      {
        maxLength: 4,
        selector: ([id]) => id,
      },
    ),
    panel: fc.oneof({ depthSize: 'small' }, fc.constant(null), tie('shape')),
    rows: fc.uniqueArray(fc.record({ id: fc.nat(5), n: fc.nat(2) }), {
      maxLength: 4,
      selector: ({ id }) => id,
    }),
  }),
})).shape;
/** A node knows its shape by its props, and adds what it has counted itself and what a store says. */
const node: ViewDefinition = {
  name: 'node',
  mount: () => ({ own: 0 }),
  render: (state, h, ctx) => renderShape((ctx.params as { shape: Shape }).shape, h, { state, ctx }),
  commands: { count: { run: (ctx) => ctx.update((s: { own: number }) => void s.own++) } },
};

const root: ViewDefinition = {
  name: 'root',
  mount: (ctx) => ({ shape: (ctx.params as { shape: Shape }).shape, own: 0 }),
  render: (state, h, ctx) => renderShape((state as { shape: Shape }).shape, h, { state, ctx }),
  commands: {
    become: { run: (ctx, to) => ctx.update((s: { shape: unknown }) => void (s.shape = to)) },
    fail: {
      run: (ctx, to) => {
        ctx.update((s: { shape: unknown }) => void (s.shape = to));
        throw new Error('no');
      },
    },
    count: { run: (ctx) => ctx.update((s: { own: number }) => void s.own++) },
  },
};

/** A value in the store that no node can show. */
const bad = 9;

function renderShape(
  of: Shape,
  h: RenderSlots,
  { state, ctx }: { readonly state: unknown; readonly ctx: ViewContext },
): object {
  const store = ctx.store('shapes') as TestHandle;
  if (store.get(String(of.text)) === bad) throw new Error('this cannot be shown');
  return {
    text: of.text,
    own: (state as { own: number }).own,
    said: store.get(String(of.text)) ?? null,
    list: of.list.map(([id, child]) => h.child(node, id, { shape: child })),
    panel: of.panel === null ? null : h.child(node, 'panel', { shape: of.panel }),
    rows: of.rows,
  };
}

const deed = fc.oneof(
  fc.record({ do: fc.constantFrom('become', 'fail'), to: shape }),
  fc.record({ do: fc.constant('put'), key: fc.nat(3), value: fc.nat(9) }),
  fc.record({ do: fc.constant('count'), at: fc.nat(20) }),
  fc.record({ do: fc.constantFrom('turn', 'second', 'resume') }),
);
type Deed = {
  readonly do: string;
  readonly to?: Shape;
  readonly key?: number;
  readonly value?: number;
  readonly at?: number;
};

async function act(
  rig: Rig,
  client: ViewClient,
  { one, opId }: { readonly one: Deed; readonly opId: string },
): Promise<void> {
  if (one.do === 'put') rig.stores.put('shapes', String(one.key), one.value);
  else if (one.do === 'turn') await rig.settle();
  else if (one.do === 'second') await rig.advance(1000);
  else if (one.do === 'count') {
    const ids = idsIn(client.tree);
    void client.send('count', {}, { storeId: ids[(one.at ?? 0) % ids.length] ?? [] });
  } else if (one.do === 'resume') {
    client.leave(true);
    await rig.join({ id: client.id, resume: client.version });
  } else void client.send(one.do, one.to, { opId });
}

/** Whether a command was done, be it that nobody heard of it. */
function isDone(client: ViewClient, opId: string): boolean {
  const answer = client.ledger.claim(opId, () => undefined);
  return typeof answer === 'object' && answer.status === 'ok';
}

/** The ids of all nodes of a tree. */
function idsIn(tree: Json): string[][] {
  if (typeof tree !== 'object' || tree === null) return [];
  const id =
    '__musubi_store_id__' in tree ? [tree['__musubi_store_id__'] as unknown as string[]] : [];
  return [...id, ...Object.values(tree as object).flatMap((part: Json) => idsIn(part))];
}

/** The tree without what nodes counted themselves: a fresh one has counted nothing. */
function uncounted(tree: Json): unknown {
  return JSON.parse(JSON.stringify(tree).replaceAll(/"own":\d+/g, '"own":0'));
}

test('V18 after any history of commands, failures, store changes and resumes a client has what a fresh instance renders', async () => {
  await fc.assert(
    fc.asyncProperty(shape, fc.array(deed, { maxLength: 25 }), async (first, deeds) => {
      const rig = new Rig(root, { params: { shape: first } });
      const client = await rig.open();
      for (const [at, one] of deeds.entries()) {
        // oxlint-disable-next-line no-await-in-loop -- one deed after the other
        await act(rig, client, { one, opId: String(at) });
        expect(client.tree).toEqual(rig.instance.tree);
      }
      await rig.advance(1000);
      // What could not be shown can be now.
      const good = [0, 1, 2, 3].map((key) => ({ do: 'put', key, value: 1 }));
      for (const { key, value } of good) rig.stores.put('shapes', String(key), value);
      await rig.advance(1000);
      const became = deeds.findLast((one, at) => 'to' in one && isDone(client, String(at)));
      const last = became !== undefined && 'to' in became ? became.to : first;
      const fresh = new Rig(root, { params: { shape: last } });
      for (const { key, value } of good) fresh.stores.put('shapes', String(key), value);
      const other = await fresh.open();
      expect(uncounted(client.tree)).toEqual(uncounted(other.tree));
      expect(client.tree).toEqual(rig.instance.tree);
      expect(rig.instance.describe().nodes).toBe(fresh.instance.describe().nodes);
      expect(rig.stores.followers).toBe(fresh.stores.followers);
      client.leave();
      expect(rig.stores.followers).toBe(0);
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60) },
  );
});
