import type { Path } from '@holdfast/protocol';
import type { Crowd } from '../host/crowd.ts';

/** So many leaves, or objects of a query, are looked at before others have their turn. */
const PIECE = 500;

/** How long something is wanted, and among whom each part of it waits for its turn. */
type Turns = { readonly crowd: Crowd; readonly isWanted: () => boolean };

/** Who takes in objects. */
type Taking = Turns & { readonly take: (found: readonly Path[]) => void };

/** Does a part in each turn until that says that it was the last, as long as it is wanted. */
export async function inTurns(part: () => boolean, { crowd, isWanted }: Turns): Promise<void> {
  do {
    // oxlint-disable-next-line no-await-in-loop -- one part after the other
    await crowd.next();
  } while (isWanted() && !part());
}

/** Takes in all objects: at once where they are few (null), else a piece in each turn, as long as they are wanted. */
export function inPieces(
  objects: Iterator<Path | null>,
  { take, ...turns }: Taking,
): Promise<void> | null {
  const piece = (): boolean => {
    const found: Path[] = [];
    let next = objects.next();
    for (let count = 1; next.done !== true; count += 1) {
      if (next.value !== null) found.push(next.value);
      if (count === PIECE) break;
      next = objects.next();
    }
    take(found);
    return next.done === true;
  };
  return piece() ? null : inTurns(piece, turns);
}
