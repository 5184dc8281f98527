import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { asPath, asStoreName, type Entry, type Json, typeOfValue } from '@holdfast/protocol';
import { type Batch, memory, type Storage } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { answer, op, stateOf } from '../../src/storage/conformance/subject.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Step = {
  readonly store: 0 | 1;
  readonly path: string;
  readonly value: Json;
  readonly drops: boolean;
  readonly count: number;
  readonly behind: boolean;
};

const ids = ['a', 'b'] as const;

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 3 })
  .map((text) => text.replaceAll(/[~/\0]/g, '.'));
const step: fc.Arbitrary<Step> = fc.record({
  store: fc.constantFrom(0, 1),
  path: fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/')),
  // As it comes back from JSON: −0 is no value of ours.
  value: fc.jsonValue({ maxDepth: 2 }).map((value): Json => JSON.parse(JSON.stringify(value))),
  drops: fc.boolean(),
  count: fc.integer({ min: 1, max: 3 }),
  behind: fc.boolean(),
});

function batchAt(head: number, { path: text, value, drops, count }: Step): Batch {
  const path = asPath(text);
  const old: Entry = { path, value: 1, type: 'integer', revision: 1 };
  const ops = Array.from({ length: count }, (_, index) =>
    op(
      head + 1 + index,
      drops ? { op: 'delete', path, value: null, removed: [old] } : { path, value },
    ),
  );
  const revision = head + count;
  const leaf = drops ? null : { value, type: typeOfValue(value), revision };
  return {
    ops,
    entries: [[path, leaf]],
    maps: [[path, count === 2 ? null : revision]],
    answers: [answer(revision, { opId: `device:${path}:${String(count)}` })],
  };
}

async function viewOf(storage: Storage): Promise<unknown> {
  const view = async (id: string): Promise<unknown> => ({
    ...(await storage.open(id)),
    state: await stateOf(storage, id),
    log: await storage.read(id, 0, { ops: 1000 }),
    markers: await storage.markers(id, 0, 1000),
  });
  return Promise.all(ids.map(view));
}

it('both drivers tell the same story of any appends', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const drivers = [
        memory({ now: () => 7 }),
        sqlite({ directory: join(root, String((run += 1))), now: () => 7 }),
      ];
      const stories = await Promise.all(drivers.map((storage) => tell(storage, steps)));
      expect(stories[1]).toEqual(stories[0]);
    }),
    { numRuns: 60 },
  );
});

/** All that can be seen of a storage in which the steps were taken at once. */
async function tell(storage: Storage, steps: readonly Step[]): Promise<unknown> {
  for (const id of ids) {
    const name = asStoreName(`acme/${id}`);
    // oxlint-disable-next-line no-await-in-loop -- two stores
    await storage.stores.create({ id, name, incarnation: 'i', expiresAt: null });
  }
  const heads = [0, 0];
  const results = steps.map((each) => {
    const head = heads[each.store] ?? 0;
    if (each.behind) return storage.append(ids[each.store], head + 1, batchAt(head + 1, each));
    heads[each.store] = head + each.count;
    return storage.append(ids[each.store], head, batchAt(head, each));
  });
  const story = { results: await Promise.all(results), view: await viewOf(storage) };
  await storage.close();
  return story;
}
