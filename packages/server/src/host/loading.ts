import { Tree } from '@holdfast/engine/data';
import { type Entry, HoldfastError, type Seq } from '@holdfast/protocol';
import type { LoadChunk, Storage, StoreHead, StoreRow } from '../storage/port.ts';
import type { Clock } from './clock.ts';
import { inTime } from '../storage/in-time.ts';

const LOAD_SLICE_MS = 20;
/** What a storage has not answered by then will not come. */
const ANSWER_MS = 30_000;

type LoadRoom = { readonly storage: Storage; readonly clock: Clock };

/** A store as it was when it was read. */
type Loaded = StoreHead & { readonly tree: Tree; readonly leases: readonly Entry[] };

/**
 * Reads the entries and map revisions of a store, and nothing else, for as long as the signal lets it. A large one takes what
 * it takes; it is late (`timeout`) where nothing has come of it for 30 s.
 */
export async function loadStore(
  room: LoadRoom,
  { id }: Pick<StoreRow, 'id'>,
  signal: AbortSignal,
): Promise<Loaded> {
  const { storage, clock } = room;
  const meta = await soon(clock, () => storage.open(id));
  if (meta === null) throw new HoldfastError('unauthorized');
  const tree = Tree.empty();
  const leases: Entry[] = [];
  let head: Seq = meta.head;
  let sliceStart = clock.now();
  for await (const chunk of chunksOf(room, id)) {
    // Whoever wanted it has gone, or it is read anew: what is read beside that would only take memory.
    signal.throwIfAborted();
    head = chunk.seq;
    tree.load(chunk.entries, chunk.maps);
    leases.push(...chunk.entries.filter(({ type }) => type === 'lease'));
    if (clock.now() - sliceStart > LOAD_SLICE_MS) {
      await new Promise<void>((resolve) => clock.setImmediate(resolve));
      sliceStart = clock.now();
    }
  }
  return { ...meta, head, tree, leases };
}

async function* chunksOf(
  { storage, clock }: LoadRoom,
  id: string,
): AsyncGenerator<LoadChunk, void, undefined> {
  const chunks = storage.load(id)[Symbol.asyncIterator]();
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const next = await soon(clock, () => chunks.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: where it hangs, so does this.
    void chunks.return?.().catch(() => undefined);
  }
}

/** What a storage answers in time; else it is late (`timeout`). */
export function soon<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  const late = (): Error => new HoldfastError('timeout', { timeout_ms: ANSWER_MS });
  return inTime(clock, ask, { ms: ANSWER_MS, late });
}
