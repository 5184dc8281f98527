import type { Fence } from '../op.ts';
import { toPath } from '../path.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';

/** What names a lease that a write relies on: its key, a path, and its token. A lease that a client holds is one, too. */
export type Fencing = { readonly key: string | readonly string[]; readonly token: number };

/** Reads what names a lease; refuses with `invalid_precondition` a key that is no path (stores.md §5.1.5). */
export function fenceOf({ key, token }: Fencing): Fence | Refusal {
  const at = toPath(key);
  return isRefusal(at) ? refuse('invalid_precondition') : { key: at, token };
}
