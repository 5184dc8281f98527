import type { Veil } from '@holdfast/engine/gate';
import type { Path } from '@holdfast/protocol';
import type { Clock } from './clock.ts';

/** Well within the 5 s after which nobody has what it may not read any more (records.md §9). */
const RIGHTS_MS = 3000;
const LOOKS_PER_TURN = 500;
/** What looking again and again may take of the processor's time: many who were shown much hear of other rules later. */
const PATROL_SHARE = 0.1;

/** Looks at much in turns, and takes no more than a share of the processor's time for it. */
export class Pace {
  readonly #clock: Clock;
  readonly #share: number;
  #looks = 0;
  #since: number;

  constructor(clock: Clock, share: number) {
    this.#clock = clock;
    this.#share = share;
    this.#since = clock.now();
  }

  /** Counts a look; whether it is time to rest. */
  looked(): boolean {
    this.#looks += 1;
    return this.#looks % LOOKS_PER_TURN === 0;
  }

  async rest(): Promise<void> {
    const clock = this.#clock;
    const restMs = (clock.now() - this.#since) * (1 / this.#share - 1);
    await new Promise<void>((resolve) => {
      if (restMs === 0) clock.setImmediate(resolve);
      else clock.setTimeout(resolve, restMs);
    });
    this.#since = clock.now();
  }
}

/** Somebody who is shown something through a veil, and hears of which objects it shows another part by now. */
export type Onlooker = {
  readonly veil: Veil;
  turned(objects: readonly Path[]): void;
};

/** Asks the rules once more about all that a veil was asked about. */
export async function lookAgain(onlooker: Onlooker, pace: Pace): Promise<void> {
  const { veil } = onlooker;
  let objects: Path[] = [];
  const tell = (): void => {
    if (objects.length > 0) onlooker.turned(objects);
    objects = [];
  };
  for (const object of veil.asked()) {
    if (veil.hasChanged(object)) objects.push(object);
    if (!pace.looked()) continue;
    // Nobody else has a turn between a look and what is told of it.
    tell();
    // oxlint-disable-next-line no-await-in-loop -- so that others have their turns
    await pace.rest();
  }
  tell();
}

type PatrolRoom = {
  readonly clock: Clock;
  readonly report: (what: string, error: unknown) => void;
};

/** Looks again and again for all who are here, for rules change without a commit. */
export class Patrol {
  readonly #room: PatrolRoom;
  readonly #onlookers = new Set<Onlooker>();
  #timer: unknown = null;
  #isClosed = false;

  constructor(room: PatrolRoom) {
    this.#room = room;
  }

  /** Looks for somebody until the returned function is called. */
  lookFor(onlooker: Onlooker): () => void {
    this.#onlookers.add(onlooker);
    this.#arm();
    return () => this.#onlookers.delete(onlooker);
  }

  close(): void {
    this.#isClosed = true;
    this.#onlookers.clear();
    this.#room.clock.clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#room.clock.setTimeout(() => void this.#look(), RIGHTS_MS);
  }

  async #look(): Promise<void> {
    const { clock, report } = this.#room;
    const pace = new Pace(clock, PATROL_SHARE);
    for (const onlooker of this.#onlookers) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await lookAgain(onlooker, pace);
      } catch (error) {
        report('a look at what rules show failed', error);
      }
    }
    this.#timer = null;
    if (this.#onlookers.size > 0) this.#arm();
  }
}
