import {
  childPath,
  flatten,
  isPlainObject,
  type Json,
  type LeafType,
  type Op,
  type OpName,
  type Path,
  typeOfValue,
} from '@holdfast/protocol';
import type { Tree, Witness } from './tree.ts';

/**
 * Applies one record of the log to a state, in place; never fails (stores.md §4.4). The witness hears of each leaf that it
 * wrote or removed, once, and of how the rows of {@link Tree.maps} change by it. The values of the op become part of the
 * tree and are frozen.
 */
export function apply(
  tree: Tree,
  op: Pick<Op, 'op' | 'path' | 'value' | 'seq'>,
  witness?: Witness,
): void {
  const { path, value, seq } = op;
  if (op.op === 'delete' || op.op === 'release') tree.remove(path, seq, witness);
  else if (op.op === 'set') replace(tree, op, witness);
  else if (op.op === 'merge') merge(tree, op, witness);
  else tree.put(path, { value, type: typeOfOp(op.op, value), revision: seq }, witness);
}

/** The type of a leaf written by an op: known from op and value alone (stores.md §4.2). */
export function typeOfOp(op: OpName, value: Json): LeafType {
  if (op === 'increment') return 'counter';
  if (op === 'add' || op === 'remove') return 'set';
  if (op === 'put_file') return 'file';
  return op === 'lease' || op === 'renew' ? 'lease' : typeOfValue(value);
}

type Replacement = { readonly path: Path; readonly value: Json; readonly seq: number };

function replace(tree: Tree, { path, value, seq }: Replacement, witness?: Witness): void {
  const leaves = flatten(path, value);
  for (const [leaf, content] of leaves) {
    tree.put(leaf, { value: content, type: typeOfValue(content), revision: seq }, witness);
  }
  const isMap = leaves[0]?.[0] !== path;
  if (isMap) tree.sweep(path, seq, witness);
}

function merge(tree: Tree, { path, value, seq }: Replacement, witness?: Witness): void {
  if (!isPlainObject(value)) return;
  for (const [key, child] of Object.entries(value)) {
    replace(tree, { path: childPath(path, key), value: child, seq }, witness);
  }
}
