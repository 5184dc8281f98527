import type { ReplicaStatus } from '@holdfast/engine/replica';
import type { Part } from '../part.ts';

/** How far a replica reaches, as far as a part of it is concerned. */
export type Reach = {
  readonly of: ReplicaStatus;
  /** Something of it is not here, or not yet. */
  readonly lacks: boolean;
  readonly isDenied: boolean;
};

const names = ['held', 'denied', 'phase', 'incarnation'] as const;

/** Says what of a part is here; what was `known` stays where nothing has changed that it depends on. */
export function reachOf(part: Part, status: ReplicaStatus, known: Reach | null = null): Reach {
  if (known !== null && names.every((name) => known.of[name] === status[name])) return known;
  const { held, denied, phase, incarnation } = status;
  const lacks = part.beyond(held);
  const isRefused = phase === 'refused' && lacks.length > 0;
  const isDenied = isRefused || part.beyond(denied, lacks).length < lacks.length;
  return { of: status, lacks: lacks.length > 0 || incarnation === null, isDenied };
}
