import type { Path } from '@holdfast/protocol';
import type { Crowd } from '../host/crowd.ts';

/** So many leaves, or objects of a query, are looked at before others have their turn. */
const PIECE = 500;

/** Who takes in objects, how long they are wanted, and among whom each piece waits for its turn. */
type Taking = {
  readonly crowd: Crowd;
  readonly isWanted: () => boolean;
  readonly take: (found: readonly Path[]) => void;
};

/** Takes in all objects: at once where they are few (null), else a piece in each turn, as long as they are wanted. */
export function inPieces(
  objects: Iterator<Path | null>,
  { crowd, isWanted, take }: Taking,
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
  const rest = async (): Promise<void> => {
    do {
      // oxlint-disable-next-line no-await-in-loop -- one piece after the other
      await crowd.next();
    } while (isWanted() && !piece());
  };
  return piece() ? null : rest();
}
