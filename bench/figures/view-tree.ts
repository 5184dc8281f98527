import type { Json, JsonObject } from '@holdfast/protocol';

/** A board as a view renders it: 10 columns of 25 cards of 20 values, each a node, about 5,000 values in all. */
export function boardTree(): JsonObject {
  const columns = Array.from({ length: 10 }, (_, column) => ({
    __musubi_store_id__: ['columns', `${column}`],
    title: `Column ${column}`,
    cards: Array.from({ length: 25 }, (_each, card) => cardOf(column, card)),
  }));
  return { __musubi_store_id__: [], title: 'Board', filter: null, columns };
}

function cardOf(column: number, card: number): JsonObject {
  const fields: { [name: string]: Json } = {
    __musubi_store_id__: ['columns', `${column}`, 'cards', `${card}`],
  };
  for (let field = 0; field < 12; field += 1) {
    fields[`field${field}`] = `${column} ${card} ${field}`;
  }
  return { ...fields, done: card % 2 === 0, votes: card, tags: ['red', 'late', 'big'], due: null };
}

/** The same board with another title on one card; what did not change is shared. */
export function withLeafChanged(tree: JsonObject, to: string): JsonObject {
  const columns = listIn(tree, 'columns');
  const column = objectAt(columns, 5);
  const cards = listIn(column, 'cards');
  const changed = cards.with(12, { ...objectAt(cards, 12), field3: to });
  return { ...tree, columns: columns.with(5, { ...column, cards: changed }) };
}

function listIn(of: JsonObject, name: string): readonly Json[] {
  const list = of[name];
  if (!Array.isArray(list)) throw new TypeError(`${name} is no list`);
  return list;
}

function objectAt(list: readonly Json[], index: number): JsonObject {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as built above
  return list[index] as JsonObject;
}
