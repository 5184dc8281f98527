import type { Glob } from '@holdfast/protocol';
import type { ReplicaStatus } from '@holdfast/engine/replica';
import type { Part } from '../part.ts';

/** How far a replica reaches, as far as a part of it is concerned. */
export type Reach = {
  readonly of: ReplicaStatus;
  /** Something of it is not here, or not yet. */
  readonly lacks: boolean;
  readonly isDenied: boolean;
};

const sets: WeakMap<readonly Glob[], ReadonlySet<Glob>> = /* @__PURE__ */ new WeakMap();

function setOf(globs: readonly Glob[]): ReadonlySet<Glob> {
  const set = sets.get(globs) ?? new Set(globs);
  sets.set(globs, set);
  return set;
}

const names = ['held', 'denied', 'phase', 'incarnation'] as const;

/** Says what of a part is here; what was `known` stays where nothing has changed that it depends on. */
export function reachOf(part: Part, status: ReplicaStatus, known: Reach | null = null): Reach {
  if (known !== null && names.every((name) => known.of[name] === status[name])) return known;
  const { held, denied, phase, incarnation } = status;
  // What is held as it was asked for needs no looking into patterns: there may be many.
  const isHeld = part.globs.every((glob) => setOf(held).has(glob));
  const beyond = isHeld ? 0 : part.beyond(held).length;
  const isRefused = phase === 'refused' && beyond > 0;
  const isDenied =
    isRefused || (denied.length > 0 && part.beyond([...held, ...denied]).length < beyond);
  return { of: status, lacks: beyond > 0 || incarnation === null, isDenied };
}
