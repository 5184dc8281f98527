import type { EpochMs, Leaf, Path } from '@holdfast/protocol';
import { contentOf, fileGraceMs, filesOf } from '../batch.ts';
import type { FileContent, FilePlace, FileTable, LoggedOp, StoreRow } from '../port.ts';
import type { Clocks } from '../settled.ts';

/** What one store names. */
class Holdings {
  /** By hash, the paths of current entries. */
  readonly entries = new Map<string, Map<Path, Leaf>>();
  /** By hash, how many retained ops name it. */
  readonly ops = new Map<string, { readonly size: number; count: number }>();
  readonly uploads = new Map<string, { readonly size: number; readonly at: EpochMs }>();
}

/** Which content is in use. */
export class MemoryFiles implements FileTable {
  readonly #clocks: Clocks;
  readonly #rowOf: (id: string) => Promise<StoreRow | null>;
  readonly #stores = new Map<string, Holdings>();
  readonly #free = new Map<string, { readonly since: EpochMs; condemned: boolean }>();

  constructor(clocks: Clocks, rowOf: (id: string) => Promise<StoreRow | null>) {
    this.#clocks = clocks;
    this.#rowOf = rowOf;
  }

  /** A leaf of the store is now another, or gone. */
  changed(
    store: string,
    path: Path,
    leaves: { readonly from: Leaf | undefined; readonly to: Leaf | null },
  ): void {
    const { entries } = this.#holdings(store);
    const from = leaves.from?.type === 'file' ? contentOf(leaves.from.value) : null;
    const to = leaves.to?.type === 'file' ? contentOf(leaves.to.value) : null;
    if (from !== null) {
      entries.get(from.hash)?.delete(path);
      if (entries.get(from.hash)?.size === 0) entries.delete(from.hash);
    }
    if (to === null || leaves.to === null) return;
    const paths = entries.get(to.hash) ?? new Map<Path, Leaf>();
    entries.set(to.hash, paths.set(path, leaves.to));
  }

  /** The op is retained from now on. */
  logged(store: string, op: LoggedOp): void {
    const { ops } = this.#holdings(store);
    for (const { hash, size } of filesOf(op)) {
      ops.set(hash, { size, count: (ops.get(hash)?.count ?? 0) + 1 });
      this.#free.delete(hash);
    }
  }

  /** The op is retained no more. */
  compacted(store: string, op: LoggedOp): void {
    const { ops } = this.#holdings(store);
    for (const { hash } of filesOf(op)) {
      const named = ops.get(hash);
      if (named === undefined) continue;
      named.count -= 1;
      if (named.count === 0) ops.delete(hash);
    }
  }

  purged(store: string): void {
    this.#stores.delete(store);
  }

  async spare({ hash, size }: FileContent, uploadedTo: string | null): Promise<boolean> {
    if (this.#free.get(hash)?.condemned === true) return false;
    this.#free.delete(hash);
    if (uploadedTo === null || (await this.#rowOf(uploadedTo)) === null) return true;
    this.#holdings(uploadedTo).uploads.set(hash, { size, at: this.#clocks.now() });
    return true;
  }

  async held(store: string, hash: string): Promise<number | null> {
    const holdings = this.#stores.get(store);
    if (holdings === undefined) return null;
    const upload = holdings.uploads.get(hash);
    const uploaded = upload !== undefined && this.#isRecent(upload.at) ? upload.size : null;
    return sizeOf(holdings.entries.get(hash)) ?? holdings.ops.get(hash)?.size ?? uploaded;
  }

  async *places(hash: string, org: string): AsyncIterable<FilePlace> {
    for (const [id, { entries }] of this.#stores) {
      // oxlint-disable-next-line no-await-in-loop -- there is nothing to wait for
      const store = await this.#rowOf(id);
      if (store === null || !store.name.startsWith(`${org}/`)) continue;
      for (const [path, { value }] of entries.get(hash) ?? []) yield { store, path, value };
    }
  }

  async usage(store: string): Promise<number> {
    let bytes = 0;
    for (const places of this.#stores.get(store)?.entries.values() ?? []) {
      bytes += sizeOf(places) ?? 0;
    }
    return bytes;
  }

  async pending(store: string): Promise<number> {
    const { entries, ops, uploads } = this.#stores.get(store) ?? new Holdings();
    let bytes = 0;
    for (const [hash, { size, at }] of uploads) {
      if (this.#isRecent(at) && !entries.has(hash) && !ops.has(hash)) bytes += size;
    }
    return bytes;
  }

  async condemn(hash: string): Promise<'named' | 'free' | 'condemned'> {
    const free = this.#free.get(hash);
    if (free?.condemned === true) return 'condemned';
    if (this.#isNamed(hash)) {
      this.#free.delete(hash);
      return 'named';
    }
    const now = this.#clocks.now();
    if (free !== undefined && !this.#isRecent(free.since)) {
      free.condemned = true;
      return 'condemned';
    }
    // A clock that was ahead, and is right now, may not keep it until then.
    this.#free.set(hash, { since: Math.min(free?.since ?? now, now), condemned: false });
    return 'free';
  }

  async absolve(hash: string): Promise<void> {
    this.#free.delete(hash);
  }

  #isNamed(hash: string): boolean {
    for (const { entries, ops, uploads } of this.#stores.values()) {
      const upload = uploads.get(hash);
      if (upload !== undefined && this.#isRecent(upload.at)) return true;
      if (entries.has(hash) || ops.has(hash)) return true;
    }
    return false;
  }

  #isRecent(at: EpochMs): boolean {
    return at > this.#clocks.settled() - fileGraceMs;
  }

  #holdings(store: string): Holdings {
    const holdings = this.#stores.get(store) ?? new Holdings();
    this.#stores.set(store, holdings);
    return holdings;
  }
}

/** The size that entries of one content tell; null if there are none. */
function sizeOf(places: ReadonlyMap<Path, Leaf> | undefined): number | null {
  for (const leaf of places?.values() ?? []) return contentOf(leaf.value)?.size ?? null;
  return null;
}
