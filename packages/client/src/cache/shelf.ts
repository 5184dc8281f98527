import type { DeadLetter, Watch } from './port.ts';

/** What is known of a store between its load and its end. */
export type Shelf = {
  readonly pen: string;
  /** Entries are not stored for now: there was no room for them, or what they would be added to is gone, or lacks some. */
  isLean: boolean;
  /** Others may have removed what was stored, and it could not be looked at yet. */
  isDoubted: boolean;
  /** The dead letters that were told to be gone. */
  lost?: readonly DeadLetter[];
  readonly watch?: Watch | undefined;
};

export function newShelf(watch?: Watch): Shelf {
  return { pen: newPen(), isLean: false, isDoubted: false, watch };
}

/** Nobody draws the same. */
function newPen(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(36)).join('');
}
