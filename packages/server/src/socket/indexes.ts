import type { LoggedOp } from '@holdfast/engine/authority';
import type { Plan } from '@holdfast/engine/collection';
import type { RecordDef } from '@holdfast/protocol';
import type { Crowd } from '../host/crowd.ts';
import type { StoreHost } from '../host/store-host.ts';
import { Neighbourhood } from './neighbourhood.ts';
import { touchedBy } from './ops.ts';
import { indexKeyOf, SharedIndex } from './shared-index.ts';

/**
 * The declared indexes of one store: each is made when a query first uses it, and kept as long as the store is open here, so that
 * who opens the only query of a page again finds it there. They are at most two of each that is declared, for each direction one.
 */
export class Indexes {
  readonly #host: StoreHost;
  readonly #crowd: Crowd;
  /** By the templates of records, which are as many as are declared. */
  readonly #near = new Map<string, Neighbourhood>();
  readonly #kept = new Map<string, SharedIndex>();

  /** To be made before whoever tells queries of commits follows the host: indexes take these in first. */
  constructor(host: StoreHost, crowd: Crowd) {
    this.#host = host;
    this.#crowd = crowd;
    host.follow((ops) => this.#follow(ops));
  }

  nearOf({ path }: RecordDef): Neighbourhood {
    const near = this.#near.get(path) ?? new Neighbourhood(path);
    this.#near.set(path, near);
    return near;
  }

  /** The one of a plan; who uses it has to join it. */
  of(def: RecordDef, plan: Plan): SharedIndex {
    return this.#kept.get(indexKeyOf(def, plan)) ?? new SharedIndex(def, plan, this.nearOf(def));
  }

  join(index: SharedIndex): void {
    if (this.#kept.get(index.key) !== index) {
      index.load(() => this.#host.view().tree, this.#crowd);
      this.#kept.set(index.key, index);
    }
    index.users += 1;
  }

  /** One that nobody waits for any more is not made to its end, and who comes next makes it anew. */
  leave(index: SharedIndex): void {
    index.users -= 1;
    if (index.users === 0 && index.loading !== null) this.#kept.delete(index.key);
  }

  #follow(ops: readonly LoggedOp[]): void {
    if (this.#kept.size === 0) return;
    const { tree } = this.#host.view();
    const paths = new Set(ops.flatMap(touchedBy));
    for (const index of this.#kept.values()) index.touch(tree, paths);
  }
}
