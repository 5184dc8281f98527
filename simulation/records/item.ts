import {
  collection,
  type CollectionDef,
  record,
  type RecordDef,
  type StandardSchema,
} from '@holdfast/protocol';

/** What the records of these worlds hold. */
export type Item = {
  readonly n: number;
  readonly owner: string;
  readonly tag?: string;
  readonly doubled?: boolean;
};

/** Whether somebody may show it. */
export function isItem(value: unknown): value is Item {
  const { n, owner } = Object(value) as Partial<Item>;
  return typeof n === 'number' && typeof owner === 'string';
}

const schemaOf = (before: () => void): StandardSchema<Item, Item> => ({
  '~standard': {
    version: 1,
    vendor: 'simulation',
    validate: (value) => {
      before();
      return isItem(value) ? { value } : { issues: [{ message: 'no item' }] };
    },
  },
});

const at = { name: 'item', store: 'acme/app', path: 'items/:id' } as const;

const mutations = {
  double: {
    apply: (current: Item | undefined): Item | undefined =>
      current && { ...current, n: current.n * 2, doubled: true },
  },
};

/** The record as the server and most clients know it. */
export const Item = record({ ...at, version: '1.4', schema: schemaOf(() => undefined), mutations });

/** The same with a schema that throws now and then. */
export function flakyItem(throws: () => boolean): typeof Item {
  const before = (): void => {
    if (throws()) throw new Error('simulated: the schema throws');
  };
  return record({ ...at, version: '1.0', schema: schemaOf(before), mutations });
}

/** What a client of the next major knows, which can read what there is. */
export const Newer: RecordDef = record({
  ...at,
  version: '2.0',
  schema: schemaOf(() => undefined),
  migrate: { '1': (older: Item) => ({ ...older, owner: older.owner.toUpperCase() }) },
});

/** And one that cannot. */
export const Stranger: RecordDef = record({
  ...at,
  version: '3.0',
  schema: schemaOf(() => undefined),
});

/** A live set of them. */
export const big: CollectionDef<typeof Item> = collection(Item, {
  where: { n: { gte: 10 } },
  orderBy: [['n', 'desc']],
  limit: 1000,
});

/** The same, found by looking at everything. */
export function bigOf(items: ReadonlyMap<string, Item>): readonly Item[] {
  return [...items]
    .filter(([, item]) => isItem(item) && item.n >= 10)
    .toSorted(([a, { n: m }], [b, { n }]) => n - m || (a < b ? -1 : 1))
    .map(([, item]) => item);
}
