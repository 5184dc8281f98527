import { apply, decide, type DecideContext, type Mutator, Tree } from '@holdfast/engine/data';
import {
  flatten,
  isRefusal,
  type Json,
  type OpId,
  type Path,
  type Request,
  typeOfValue,
} from '@holdfast/protocol';
import { unlimited } from '../cache/unlimited.ts';

/** An own write, to be shown. */
export type Shown = { readonly opId: OpId; readonly request: Request };

/**
 * What own writes make of an object as the server has it, one on the result of the other; what cannot be decided here shows
 * nothing (records.md §11.1).
 */
export function foldOver(
  { path, base, mutate }: { path: Path; base: Json | undefined; mutate: Mutator },
  writes: readonly Shown[],
  at: number,
): Json | undefined {
  const tree = Tree.empty();
  if (base !== undefined) {
    for (const [leaf, value] of flatten(path, base)) {
      tree.put(leaf, { value, type: typeOfValue(value), revision: 1 });
    }
  }
  for (const { opId, request } of writes) {
    // Guards are the server's to judge: what they name is not all here; and so are limits, for it has its own.
    const context: DecideContext = {
      head: 1,
      deviceId: '',
      opId,
      principal: null,
      at,
      limits: unlimited,
      judges: () => false,
      mutate,
    };
    const decision = decide(tree, request, context);
    if (!isRefusal(decision)) for (const op of decision.ops) apply(tree, op);
  }
  return tree.read(path)?.value;
}
