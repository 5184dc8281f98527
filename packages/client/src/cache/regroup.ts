import { unwrap } from 'idb';
import { Blocks, type Change, noCounts } from './blocks.ts';
import { rangeOf, type Regroup, stateKinds, type Upgrade } from './layout.ts';

/** How a database of version 1 becomes one of 2. Where there is no room for both: the server has the entries. */
export const ways: readonly Regroup[] = [(tx) => regroup(tx, true), (tx) => regroup(tx, false)];

async function regroup(tx: Upgrade, keepsState: boolean): Promise<void> {
  const places = tx.objectStore('places');
  for (const name of await places.getAllKeys()) {
    const place = await places.get(name);
    if (place === undefined) continue;
    const counts = { ...noCounts };
    for (const kind of stateKinds) {
      const store = tx.objectStore(kind);
      const range = rangeOf(place.n);
      const [keys, texts] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
      const rows = keys.map((key, at): Change => [
        key.slice(place.n.length + 1),
        String(texts[at]),
      ]);
      const blocks = new Blocks(unwrap(store), place.n, counts);
      blocks.clear();
      for (const row of keepsState ? rows : []) blocks.add(row);
      blocks.flush();
    }
    await places.put({ ...place, ...counts, head: keepsState ? place.head : null }, name);
  }
}
