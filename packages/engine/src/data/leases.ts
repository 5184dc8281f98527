import {
  isLeaseOp,
  isObject,
  type Json,
  type Leaf,
  type LeaseValue,
  type Path,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import type { LeaseRules, LeaseWrite, Outcome } from './context.ts';
import { targets } from './reach.ts';
import type { Tree } from './tree.ts';

/** Whether a leaf's value is a lease; only the core writes such values (stores.md §3.1.3). */
export function isLease(value: Json): value is LeaseValue {
  return isObject(value) && value['_type'] === 'lease';
}

/** Whether a write is about a lease. */
export function isLeaseWrite(write: { readonly op: string }): write is LeaseWrite {
  return isLeaseOp(write.op);
}

/** The rules of leases where it is known which of them live (stores.md §5.2.2): on the authority. */
export function leaseRules(live: (path: Path, lease: LeaseValue) => boolean): LeaseRules {
  const liveAt = (path: Path, leaf: Leaf | undefined): LeaseValue | null => {
    const lease = leaf === undefined || !isLease(leaf.value) ? null : leaf.value;
    return lease !== null && live(path, lease) ? lease : null;
  };
  return {
    checkFence: (tree, { key, token }) =>
      liveAt(key, tree.leaf(key))?.token === token ? null : refuse('fenced'),
    outcome: (tree, write, when) => {
      const lease = liveAt(write.path, tree.leaf(write.path));
      if (write.op === 'release') return releasable(tree, write);
      if (write.op === 'renew') {
        if (lease?.token !== write.token) return refuse('not_held');
        return valued({ ...lease, expires_at: when.at + write.ttlMs });
      }
      if (lease !== null) return held(lease);
      if (isOccupied(tree, write.path)) return refuse('occupied');
      const { holder, ttlMs } = write;
      return valued({ _type: 'lease', holder, token: when.seq, expires_at: when.at + ttlMs });
    },
    check(tree, request, { implied, fences }) {
      const own = 'fence' in request && request.fence !== undefined ? [request.fence] : [];
      // What is at its own path, the table of §5.2 has judged.
      for (const path of isLeaseWrite(request) ? implied : [...implied, ...targets(request)]) {
        const refusal = this.checkUnder(tree, path, [...fences, ...own]);
        if (refusal !== null) return refusal;
      }
      return null;
    },
    checkUnder: (tree, path, fences) => {
      for (const entry of tree.entries({ under: path })) {
        const lease = entry.type === 'lease' ? liveAt(entry.path, entry) : null;
        if (lease === null) continue;
        const isFence = ({ key, token }: (typeof fences)[number]): boolean =>
          key === entry.path && token === lease.token;
        if (!fences.some(isFence)) return held(lease);
      }
      return null;
    },
  };
}

/** A release finds its lease, live or expired, or nothing (stores.md §5.2). */
function releasable(
  tree: Tree,
  { path, token }: Extract<LeaseWrite, { readonly op: 'release' }>,
): Outcome | null {
  const value = tree.leaf(path)?.value ?? null;
  return isLease(value) && value.token === token ? { value: null, arg: null } : null;
}

/** Whether something stands where a lease is to be that is no lease. */
function isOccupied(tree: Tree, path: Path): boolean {
  const leaf = tree.leaf(path);
  return leaf === undefined ? tree.hasBelow(path) : !isLease(leaf.value);
}

function valued(value: LeaseValue): Outcome {
  return { value, arg: null };
}

/** The refusal that tells who holds a lease, and until when. */
function held({ holder, expires_at }: LeaseValue): Refusal {
  return refuse('held', { holder, expires_at });
}
