import type { Client } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { collection, record, type Stored } from '@holdfast/protocol';
import { type } from 'arktype';
import * as v from 'valibot';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { openWorld } from './world.ts';

const place = { store: 'acme/app', path: 'shapes/:id', version: '1.0' } as const;

const Shape = record({
  ...place,
  name: 'shape',
  schema: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('circle'), label: z.string(), radius: z.number() }),
    z.object({ kind: z.literal('square'), label: z.string(), side: z.number() }),
  ]),
  authority: {
    kind: 'lww',
    label: 'lww',
    radius: (mine: number, theirs: number) => Math.max(mine, theirs),
    side: 'lww',
  },
  visibility: { '*': () => true, side: ({ value }) => value.kind === 'square' },
  mutations: {
    square: {
      input: z.object({ side: z.number() }),
      apply: (shape, { side }) => shape && { kind: 'square', label: shape.label, side },
    },
  },
});

test('a record of one of several shapes is patched, found and merged by what only one of them has', async () => {
  await using world = await openWorld();
  world.server.record(Shape);
  const client = world.client({ records: records([Shape]) });
  const shape = client.record(Shape, { id: '1' });
  shape.set({ kind: 'circle', label: 'c', radius: 1 });
  shape.patch({ radius: 2 });
  client.transact((tx) => tx.record(Shape.ref({ id: '1' })).patch({ radius: 3 }));
  const shown = shape.get();
  expect(shown).toEqual({ kind: 'circle', label: 'c', radius: 3 });
  if (shown?.kind === 'circle') expectTypeOf(shown.radius).toEqualTypeOf<number>();
  const wide = collection(Shape, { where: { radius: { gt: 2 } }, orderBy: [['radius', 'desc']] });
  expectTypeOf(client.collection(wide).get()).toEqualTypeOf<readonly Stored<typeof Shape>[]>();
  const wrong = [
    // @ts-expect-error -- no shape has that
    () => shape.patch({ width: 1 }),
    // @ts-expect-error -- a radius is a number
    () => shape.patch({ radius: '1' }),
    // @ts-expect-error -- a square has a side
    () => shape.set({ kind: 'square', label: 's', radius: 1 }),
    // @ts-expect-error -- no shape has that
    () => collection(Shape, { where: { width: 1 } }),
    () =>
      record({
        ...place,
        name: 'other',
        schema: Shape.schema,
        // @ts-expect-error -- a radius is merged with a radius
        authority: { radius: () => 'wide' },
      }),
  ];
  expect(wrong).toHaveLength(5);
  await shape.mutate('square', { side: 4 }).committed;
  expect(shape.get()).toEqual({ kind: 'square', label: 'c', side: 4 });
});

// Never run: what counts is that it compiles, and that what is marked does not.
const written = (client: Client): void => {
  const card = client.record(Card, { id: '1' });
  card.set({ title: 'x', tags: [] });
  card.patch({ due: undefined });
  card.increment('rank', 2);
  card.remove();
  card.mutate('rename', { to: 'x' });
  card.mutate('bump');
  expectTypeOf(card.get()).toEqualTypeOf<Shown | undefined>();
  // @ts-expect-error -- an object has all its fields
  card.set({ title: 'x' });
  // @ts-expect-error -- a title is a text
  card.patch({ title: 7 });
  // @ts-expect-error -- no such field
  card.patch({ size: 1 });
  // @ts-expect-error -- it is added to by a number
  card.increment('rank', '2');
  // @ts-expect-error -- no such mutation
  card.mutate('renamed', { to: 'x' });
  // @ts-expect-error -- it takes an input
  card.mutate('rename');
  // @ts-expect-error -- and one of this type
  card.mutate('rename', { to: 7 });
  // @ts-expect-error -- no such option
  card.set({ title: 'x', tags: [] }, { condition: 'unchanged' });
  // @ts-expect-error -- the parameter is "id"
  client.record(Card, { key: '1' });
  client.transact((tx) => {
    const own = tx.record(Card.ref({ id: '1' }));
    expectTypeOf(own.get()).toEqualTypeOf<Shown | undefined>();
    own.patch({ rank: 1 });
    // @ts-expect-error -- a title is a text
    own.patch({ title: 7 });
    // @ts-expect-error -- it takes an input
    own.mutate('rename');
  });
};

type Shown = { title: string; tags: string[]; rank: number; due?: Date | undefined };
const Card = record({
  ...place,
  name: 'card',
  stored: 'input',
  schema: z.object({
    title: z.string(),
    tags: z.array(z.string()),
    rank: z.number().default(0),
    due: z.date().optional(),
  }),
  mutations: {
    rename: {
      input: z.object({ to: z.string() }),
      apply: (card, { to }) => card && { ...card, title: to },
    },
    bump: { apply: (card) => card && { ...card, rank: (card.rank ?? 0) + 1 } },
  },
});

test('each write of a record takes what its schema does, whichever library made that', () => {
  expectTypeOf(written).returns.toBeVoid();
  const Valibot = record({
    ...place,
    name: 'v',
    stored: 'input',
    schema: v.object({ name: v.string(), size: v.optional(v.number(), 1), at: v.date() }),
  });
  const ArkType = record({
    ...place,
    name: 'a',
    stored: 'input',
    schema: type({ name: 'string', size: 'number = 1', at: 'Date' }),
  });
  type Given = { name: string; size?: number; at: Date };
  expectTypeOf<Given>().toExtend<Stored<typeof Valibot>>();
  expectTypeOf<Given>().toExtend<Stored<typeof ArkType>>();
  // @ts-expect-error -- a name is a text
  expectTypeOf<{ name: number; at: Date }>().toExtend<Stored<typeof Valibot>>();
  // @ts-expect-error -- a name is a text
  expectTypeOf<{ name: number; at: Date }>().toExtend<Stored<typeof ArkType>>();
});
