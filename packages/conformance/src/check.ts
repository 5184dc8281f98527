import type { Stage } from './stage.ts';
import type { Tongue } from './tongue.ts';

/** One thing that the protocol demands, and how to see whether a server does it. */
export type Check = {
  /** Its name for people and for `only`: the chapter, a dot, the number in the chapter. */
  readonly number: string;
  /** A true sentence about a server that conforms. */
  readonly title: string;
  /** The section of stores.md that demands it. */
  readonly spec: string;
  /** The dialect that it is about; both where it is left out. */
  readonly capver?: 3 | 4;
  /** The format that it is about; both where it is left out. */
  readonly format?: Tongue['format'];
  readonly needsReadOnlyToken?: true;
  /** Throws a `Violation` where the server does something else. */
  play(stage: Stage): Promise<void>;
};
