import {
  isPlainObject,
  type Json,
  type LeafType,
  type Op,
  type OpName,
  type Path,
  type Refusal,
} from '@holdfast/protocol';
import { apply } from './apply.ts';
import type { DecideContext } from './context.ts';
import type { Decision } from './decide.ts';
import type { Tree } from './tree.ts';

/** One leaf as an export tells of it (stores.md §13.4.1). */
export type ImportedLeaf = { readonly path: Path; readonly value: Json; readonly type: LeafType };

/** Leaves of another store, to be written with their types, in their order (stores.md §13.4.2). */
export type ImportRequest = { readonly op: 'import'; readonly leaves: readonly ImportedLeaf[] };

/** Turns an import into the records of one commit, or says why not; `op_index` names the leaf. */
export function decideImport(
  tree: Tree,
  { leaves }: ImportRequest,
  context: DecideContext,
): Decision | Refusal {
  const draft = tree.draft();
  const { head, leases, opId, ...rest } = context;
  const ops: Op[] = [];
  let implied = 0;
  const record = (op: OpName, path: Path, value: Json): void => {
    const clientOpId = op === 'delete' ? `${opId}#${(implied += 1)}` : opId;
    const { deviceId, at, principal } = rest;
    const seq = head + ops.length + 1;
    const made: Op = {
      seq,
      op,
      path,
      value,
      arg: null,
      deviceId,
      clientOpId,
      tx: null,
      at,
      principal,
    };
    ops.push(made);
    apply(draft, made);
  };
  for (const [index, leaf] of leaves.entries()) {
    const cleared = inTheWay(draft, leaf);
    for (const path of [...cleared, leaf.path]) {
      const refusal = leases?.checkUnder(draft, path, []) ?? null;
      if (refusal !== null) return refusal.with({ op_index: index });
    }
    for (const path of cleared) record('delete', path, null);
    record(opThatWrites(leaf), leaf.path, leaf.value);
  }
  const last = head + ops.length;
  const finished = ops.length > 1 ? ops.map((op) => ({ ...op, tx: last })) : ops;
  return { ops: finished, result: { store_seq: last } };
}

/** The op that writes a leaf with its type (stores.md §4.2, §13.3.2). */
export function opThatWrites({ type }: { readonly type: LeafType }): OpName {
  if (type === 'counter') return 'increment';
  if (type === 'set') return 'add';
  return type === 'file' ? 'put_file' : 'set';
}

/** What must go before the leaf can stand (stores.md §4.3). */
function inTheWay(tree: Tree, { path, value, type }: ImportedLeaf): readonly Path[] {
  const above = tree.leafAbove(path);
  if (above !== undefined) return [above];
  const isNative = opThatWrites({ type }) === 'set' && isPlainObject(value);
  return !isNative && tree.hasBelow(path) ? [path] : [];
}
