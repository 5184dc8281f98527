import { flatten, isPlainObject, type Op, type Path } from '@holdfast/protocol';

/** An op with the leaves whose old value vanished by it (stores.md §1.2.2). */
export type RemovingOp = Op & { readonly removed: readonly { readonly path: Path }[] };

/** The commits that some ops of the log make up: whole ones, one after the other. */
export function* commitsOf<T extends Op>(ops: readonly T[]): Generator<readonly T[], void> {
  for (let start = 0; start < ops.length;) {
    const end = endOf(ops, start);
    yield start === 0 && end === ops.length ? ops : ops.slice(start, end);
    start = end;
  }
}

function endOf(ops: readonly Op[], start: number): number {
  const tx = ops[start]?.tx ?? null;
  let end = start + 1;
  if (tx === null) return end;
  while (ops[end]?.tx === tx) end += 1;
  return end;
}

/** The leaves that an op wrote or removed; one that it overwrote comes twice. */
export function leavesOf(op: RemovingOp): readonly Path[] {
  return [...written(op), ...op.removed.map(({ path }) => path)];
}

function written({ op, path, value }: Op): readonly Path[] {
  if (op === 'delete' || op === 'release') return [];
  if ((op !== 'set' && op !== 'merge') || !isPlainObject(value)) return [path];
  // A merge of nothing writes nothing, a set of an empty object writes a leaf.
  if (op === 'merge' && Object.keys(value).length === 0) return [];
  return flatten(path, value).map(([leaf]) => leaf);
}
