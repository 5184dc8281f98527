import { records } from '@holdfast/client/records';
import { collection, record } from '@holdfast/protocol';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { openWorld } from './world.ts';

const schema = z.object({
  name: z.string(),
  age: z.number().optional(),
  born: z.date().nullable(),
  tags: z.array(z.string()),
});

const Typed = record({
  name: 'typed',
  store: 'acme/app',
  path: 'teams/:team/people/:id',
  version: '1',
  schema,
});
type Typed = z.output<typeof schema>;

test('a collection is typed by its record: its rows, and what may be asked about which field', async () => {
  await using world = await openWorld();
  const client = world.client({ records: records([Typed]) });
  const people = client.collection(
    collection(Typed, {
      params: { team: 'a' },
      where: { name: { prefix: 'A' }, age: { gte: 18 }, born: null, $not: { age: { in: [30] } } },
      orderBy: [['born', 'desc']],
    }),
  );
  expectTypeOf(people.get()).toEqualTypeOf<readonly Typed[]>();
  expectTypeOf(people.state.get().rows).items.toHaveProperty('value').toEqualTypeOf<Typed>();
  expectTypeOf(people.row).returns.exclude<undefined>().toHaveProperty('patch');
  expectTypeOf(client.one(collection(Typed)).get()).toEqualTypeOf<Typed | undefined>();
  const wrong = [
    // @ts-expect-error -- no parameter of that name
    () => collection(Typed, { params: { group: 'a' } }),
    // @ts-expect-error -- lists are not compared
    () => collection(Typed, { where: { tags: 'a' } }),
    // @ts-expect-error -- an age is a number, wherever it is asked about
    () => collection(Typed, { where: { $or: [{ age: { lt: '18' } }] } }),
    // @ts-expect-error -- there is no such comparison
    () => collection(Typed, { where: { name: { like: 'A' } } }),
    // @ts-expect-error -- no field of that name
    () => collection(Typed, { orderBy: 'size' }),
    // @ts-expect-error -- there is no such direction
    () => collection(Typed, { orderBy: [['name', 'up']] }),
    // @ts-expect-error -- a row is written as its record is
    () => people.row('')?.patch({ age: 'old' }),
  ];
  expect(wrong).toHaveLength(7);
});
