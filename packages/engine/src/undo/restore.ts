import { type Json, jsonEquals, type Leaf, type Path, type Write } from '@holdfast/protocol';
import { sameLeaf, without } from './capture.ts';
import type { LeafChange } from './types.ts';

/**
 * How a leaf gets back what an own write took from it. `exact`: the leaf is still as that write left it, and gets back all;
 * otherwise it gets back a part, beside what others did to it. null: somebody else has changed it.
 */
export type Restoration = { readonly ops: readonly Write[]; readonly exact: boolean } | null;

/** A set of more members is not built anew to restore the order of its members. */
const rebuildMax = 200;

/** Takes back one change of one leaf, given what is there now. */
export function restore({ path, before, after }: LeafChange, now: Leaf | undefined): Restoration {
  const isUntouched = sameLeaf(now, after);
  if (isTotal(after) && isTotal(now)) return restoreTotal(path, { before, after, isUntouched });
  if (after?.type === 'set' && now?.type === 'set') {
    return restoreSet(path, { before, after, now, isUntouched });
  }
  if (!isUntouched) return null;
  return { ops: rewrite(path, before, after !== undefined), exact: true };
}

type Total = Leaf & { readonly value: number };

function isTotal(leaf: Leaf | undefined): leaf is Total {
  return leaf?.type === 'counter' && typeof leaf.value === 'number';
}

type Taken<L extends Leaf> = {
  readonly before: Leaf | undefined;
  readonly after: L;
  readonly isUntouched: boolean;
};

/** A total: others' increments stay. */
function restoreTotal(path: Path, { before, after, isUntouched }: Taken<Total>): Restoration {
  const from = before === undefined ? 0 : before.value;
  if (typeof from !== 'number') {
    return isUntouched ? { ops: rewrite(path, before, true), exact: true } : null;
  }
  const by = from - after.value;
  const isTotalBack = isTotal(before) && after.value + by === from;
  if (isUntouched && !isTotalBack) return { ops: rewrite(path, before, true), exact: true };
  return { ops: by === 0 ? [] : [{ op: 'increment', path, value: by }], exact: false };
}

/** A set: members that others added or removed stay so. */
function restoreSet(
  path: Path,
  { before, after, now, isUntouched }: Taken<Leaf> & { readonly now: Leaf },
): Restoration {
  const from = before === undefined ? [] : before.value;
  const [mine, current] = [after.value, now.value];
  if (!Array.isArray(from)) {
    return isUntouched ? { ops: rewrite(path, before, true), exact: true } : null;
  }
  if (!Array.isArray(mine) || !Array.isArray(current)) return null;
  const added = without(mine, from);
  const removed = without(from, mine);
  const kept = without(current, added);
  const isBack = before?.type === 'set' && jsonEquals([...without(removed, kept), ...kept], from);
  if (isUntouched && !isBack && from.length <= rebuildMax) {
    return { ops: rewrite(path, before, true), exact: true };
  }
  const takenOut = added.map((value) => ({ op: 'remove', path, value }) as const);
  const putBack = removed.toReversed().map((value) => ({ op: 'add', path, value }) as const);
  return { ops: [...takenOut, ...putBack], exact: false };
}

/** Writes a leaf anew, with its type; a lease is nobody's to give. */
function rewrite(path: Path, leaf: Leaf | undefined, isThere: boolean): readonly Write[] {
  const remove: readonly Write[] = isThere ? [{ op: 'delete', path }] : [];
  if (leaf === undefined || leaf.type === 'lease') return remove;
  const { type, value } = leaf;
  if (type === 'counter' && typeof value === 'number') {
    return [...remove, { op: 'increment', path, value }];
  }
  if (type !== 'set' || !Array.isArray(value)) return [{ op: 'set', path, value }];
  const members: readonly Json[] = value;
  // To remove what is not there makes an empty set.
  if (members.length === 0) return [...remove, { op: 'remove', path, value: true }];
  return [
    ...remove,
    ...members.toReversed().map((each) => ({ op: 'add', path, value: each }) as const),
  ];
}
