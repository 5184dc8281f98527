import { asStoreName, type Json, type Op, type Path } from '@holdfast/protocol';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { storeName } from '../place.ts';

/** The log and the entries that a server has left behind, as its storage reads them. */
export async function contentOf(
  directory: string,
  name: string = storeName,
): Promise<{
  readonly ops: readonly Op[];
  readonly entries: readonly (readonly [Path, Json])[];
}> {
  const storage = sqlite({ directory });
  try {
    const store = await storage.stores.find(asStoreName(name));
    if (store === null) throw new Error('the store is gone');
    const ops: Op[] = [];
    for (
      let more: readonly Op[] = [], isFirst = true;
      isFirst || more.length > 0;
      isFirst = false
    ) {
      more = await storage.read(store.id, ops.length, { ops: 10_000 });
      for (const op of more) ops.push(op);
    }
    const entries: (readonly [Path, Json])[] = [];
    for await (const chunk of storage.load(store.id)) {
      for (const { path, value } of chunk.entries) entries.push([path, value]);
    }
    return { ops, entries };
  } finally {
    await storage.close();
  }
}
