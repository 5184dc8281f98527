import { apply, type Change, type Tree, type Witness } from '../data/index.ts';
import { isObject, type Leaf, type Op, type Refusal, refuse } from '@holdfast/protocol';

/** How much a store may hold (stores.md §12.3): leaves, and bytes of the distinct contents that its files name. Absent: any amount. */
export type Quotas = { readonly keys?: number; readonly file_storage?: number };

type Named = { readonly size: number; readonly count: number };

/** What a store's quotas are, and how much of the one for files is used. */
export class Quota implements Witness {
  readonly #quotas: Quotas;
  /** What this one was forked from; it must not change meanwhile. */
  readonly #base: Quota | null;
  /** By hash: how many leaves name it, here where that differs from the base. */
  readonly #named = new Map<string, Named>();
  #fileBytes: number;

  private constructor(quotas: Quotas, base: Quota | null) {
    this.#quotas = quotas;
    this.#base = base;
    this.#fileBytes = base === null ? 0 : base.#fileBytes;
  }

  /** The quota of a store with this state; null where there is none. */
  static of(quotas: Quotas | undefined, tree: Tree): Quota | null {
    if (quotas === undefined) return null;
    const quota = new Quota(quotas, null);
    if (quotas.file_storage !== undefined) {
      for (const { path, ...leaf } of tree.entries()) {
        quota.leaf({ path, before: undefined, after: leaf });
      }
    }
    return quota;
  }

  /** A quota to try something on. */
  fork(): Quota {
    return new Quota(this.#quotas, this);
  }

  /** What a fork has noted has come true. */
  absorb(fork: Quota | null): void {
    if (fork === null) return;
    for (const [hash, named] of fork.#named) {
      if (named.count === 0) this.#named.delete(hash);
      else this.#named.set(hash, named);
    }
    this.#fileBytes = fork.#fileBytes;
  }

  /** A leaf has changed. */
  leaf({ before, after }: Change): void {
    if (this.#quotas.file_storage === undefined) return;
    this.#count(before, -1);
    this.#count(after, 1);
  }

  /** Revisions take no room. */
  map(): void {}

  /** Why the ops would take the store beyond a quota; what does not take more than before always passes. */
  judge(tree: Tree, ops: readonly Op[]): Refusal | null {
    const trial = this.fork();
    const scratch = tree.draft();
    for (const op of ops) apply(scratch, op, trial);
    const { keys, file_storage: bytes } = this.#quotas;
    return (
      refuseMore('keys', keys, [tree.size, scratch.size]) ??
      refuseMore('file_storage', bytes, [this.#fileBytes, trial.#fileBytes])
    );
  }

  #count(leaf: Leaf | undefined, by: 1 | -1): void {
    if (leaf?.type !== 'file' || !isObject(leaf.value)) return;
    const { hash, size } = leaf.value;
    if (typeof hash !== 'string' || typeof size !== 'number') return;
    const count = (this.#find(hash)?.count ?? 0) + by;
    if (count === (by === 1 ? 1 : 0)) this.#fileBytes += by * size;
    this.#named.set(hash, { size, count });
  }

  #find(hash: string): Named | undefined {
    const own = this.#named.get(hash);
    return own === undefined && this.#base !== null ? this.#base.#find(hash) : own;
  }
}

function refuseMore(
  dimension: keyof Quotas,
  limit: number | undefined,
  [current, next]: readonly [number, number],
): Refusal | null {
  if (limit === undefined || next <= limit || next <= current) return null;
  return refuse('limit_exceeded', { dimension, current, limit });
}
