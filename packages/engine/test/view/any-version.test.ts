import type { ViewDefinition } from '@holdfast/engine/view';
import type { Json } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rig, type ViewClient } from './instance-rig.ts';

// Lists of children that change at random, from outside: what goes over the wire, and what it leaves.

const numRuns = Number(process.env['PROPERTY_RUNS'] ?? 60);

const row: ViewDefinition = {
  name: 'row',
  mount: () => ({ n: 0 }),
  render: (state, _h, ctx) => ({ ...(state as object), ...(ctx.params as object) }),
};

type State = { readonly ids: readonly string[]; readonly text: number };

const board: ViewDefinition = {
  name: 'board',
  scope: 'shared',
  streams: { log: { limit: 4, retain: true } },
  mount: () => ({ ids: ['a', 'b', 'c'], text: 0 }),
  render: (state, h) => {
    const { ids, text } = state as State;
    return { rows: ids.map((id) => h.child(row, id, { id, text })), log: h.stream('log') };
  },
  commands: {
    become: { run: (ctx, to) => ctx.update(to) },
    log: { run: (ctx, id) => ctx.stream('log').insert({ id }) },
    drop: { run: (ctx, id) => ctx.stream('log').deleteKey(`log-${String(id)}`) },
  },
};

const ids = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'), {
  maxLength: 8,
});
const shape = fc.record({ ids, text: fc.nat(1) });
const deed = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant('become'), shape) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom<string>('log', 'drop'), fc.nat(6)) },
);

type Kept = Pick<ViewClient, 'tree' | 'version'> & { readonly streams: ViewClient['streams'] };

function kept({ tree, version, streams }: ViewClient): Kept {
  return { tree, version, streams: new Map([...streams].map(([key, list]) => [key, [...list]])) };
}

test('V60 V61 who resumes at any version has what a fresh mount has, whether the log reaches back so far or not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 12 }), fc.nat(6), async (deeds, logged) => {
      const rig = new Rig(board, { limits: { log_count: logged } });
      const writer = await rig.open();
      const past = [kept(writer)];
      for (const [name, payload] of deeds) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await writer.dispatch(name, payload);
        if (writer.version !== past.at(-1)?.version) past.push(kept(writer));
      }
      const fresh = await rig.join({ id: 99 });
      for (const [index, state] of past.entries()) {
        const id = 100 + index;
        const client = rig.attach({ id, resume: null });
        Object.assign(client, state);
        client.heard.length = 0;
        client.leave(true);
        rig.attach({ id, resume: state.version });
        const { resumed } = rig.of('attached').at(-1) ?? {};
        expect(resumed).toBe(writer.version - state.version <= logged);
        expect(client.heard.length).toBe(resumed ? writer.version - state.version : 1);
        expect([client.tree, client.items('log')]).toEqual([fresh.tree, fresh.items('log')]);
      }
    }),
    { numRuns },
  );
});

/** How many of those that stay cannot stay where they are: all but a longest run in the old order. */
function movedOf(before: readonly string[], after: readonly string[]): number {
  const places = after.flatMap((id) => (before.includes(id) ? [before.indexOf(id)] : []));
  const longest: number[] = [];
  for (const [at, place] of places.entries()) {
    const runs = places
      .slice(0, at)
      .map((other, index) => (other < place ? (longest[index] ?? 0) : 0));
    longest.push(1 + Math.max(0, ...runs));
  }
  return places.length - Math.max(0, ...longest);
}

test('V15 V16 children that moved, came or went cost no more ops than that, and none goes into a child that stays as it is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(ids, { minLength: 1, maxLength: 8 }), async (lists) => {
      const rig = new Rig(board);
      const client = await rig.open();
      let before: readonly string[] = ['a', 'b', 'c'];
      for (const after of lists) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await client.dispatch('become', { ids: after, text: 0 });
        const isSame = after.join() === before.join();
        const ops = isSame ? [] : (client.last?.tail.content.ops ?? []);
        const gone = before.filter((id) => !after.includes(id)).length;
        const come = after.filter((id) => !before.includes(id)).length;
        const isWhole = ops.length === 1 && ops[0]?.path === '/rows';
        const most = isWhole ? 1 : gone + come + 2 * movedOf(before, after);
        expect(ops.length).toBeLessThanOrEqual(most);
        expect(ops.every(({ path }) => isWhole || /^\/rows\/\d+$/.test(path))).toBe(true);
        expect(idsIn(client.tree)).toEqual(after);
        before = after;
      }
    }),
    { numRuns },
  );
});

function idsIn(tree: Json): unknown {
  const { rows } = tree as { readonly rows: readonly { readonly id: string }[] };
  return rows.map(({ id }) => id);
}
