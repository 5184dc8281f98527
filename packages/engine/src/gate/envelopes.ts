import type { Json, OpId, Path, RecordDef, Seq, TemplateParams } from '@holdfast/protocol';
import { apply, type Tree } from '../data/index.ts';
import { commitsOf, leavesOf, type RemovingOp } from './commits.ts';
import { type Placed, Places } from './places.ts';

/** What a commit made of one object of a record (records.md §3.2). */
export type ObjectChange = {
  readonly def: RecordDef;
  readonly params: TemplateParams;
  readonly path: Path;
  /** undefined: it is gone. */
  readonly value: Json | undefined;
  /** The seq of the last op that wrote or removed a leaf of it. */
  readonly sequence: Seq;
  /** Its sequence before; 0 if it was absent. */
  readonly prev: Seq;
  /** The id of the commit's request. */
  readonly opId: OpId;
};

/**
 * Follows the log of a store, and tells what each commit made of which objects: one change for each, in the order of
 * commits, whatever the surface they came by.
 */
export class Envelopes {
  readonly #tree: Tree;
  readonly #places: Places<RecordDef>;

  /** Begins with the state before the first ops that are followed; it becomes its own. */
  constructor(tree: Tree, records: readonly RecordDef[]) {
    this.#tree = tree;
    this.#places = new Places(records.map((item) => ({ template: item.path, item })));
  }

  /** The state after the last commit that was taken in. */
  get tree(): Tree {
    return this.#tree;
  }

  /** Takes in whole commits. */
  follow(ops: readonly RemovingOp[]): readonly ObjectChange[] {
    return [...this.commits(ops)].flat();
  }

  /** Takes in whole commits one by one, each with its changes. */
  *commits(ops: readonly RemovingOp[]): Generator<readonly ObjectChange[], void> {
    for (const commit of commitsOf(ops)) yield this.#commit(commit);
  }

  #commit(ops: readonly RemovingOp[]): readonly ObjectChange[] {
    const touched = new Map<string, { readonly at: Placed<RecordDef>; seq: Seq; prev: Seq }>();
    for (const op of ops) {
      for (const at of this.#objectsOf(op)) {
        const key = `${at.item.name} ${at.path}`;
        const prev = touched.get(key)?.prev ?? this.#tree.read(at.path)?.revision ?? 0;
        touched.set(key, { at, seq: op.seq, prev });
      }
      apply(this.#tree, op);
    }
    // Implied deletes come first: the request's own op has its very id.
    const opId = ops.at(-1)?.clientOpId ?? '';
    return [...touched.values()].flatMap(({ at, seq, prev }) => {
      const value = this.#tree.read(at.path)?.value;
      if (value === undefined && prev === 0) return [];
      const { item: def, params, path } = at;
      return [{ def, params, path, value, sequence: seq, prev, opId }];
    });
  }

  *#objectsOf(op: RemovingOp): Generator<Placed<RecordDef>> {
    const seen = new Set<string>();
    for (const path of leavesOf(op)) {
      for (const at of this.#places.around(path)) {
        const key = `${at.item.name} ${at.path}`;
        if (seen.size === seen.add(key).size) continue;
        yield at;
      }
    }
  }
}
