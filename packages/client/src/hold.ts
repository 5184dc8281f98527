import type { Release } from '@holdfast/engine/registry';
import type { Part } from './part.ts';
import type { Slot } from './slot.ts';

/** What a handle needs of its client. */
export type Hold = {
  readonly slot: Slot;
  /** What the handle is of. */
  readonly part: Part;
  /** Keeps the store open, and the part here. */
  retain(): Release;
  /** Called when the handle is closed. */
  closed?: () => void;
};
