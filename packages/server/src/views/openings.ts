import { HoldfastError } from '@holdfast/protocol';
import type { Principal } from '../access/index.ts';
import type { ViewsRoom } from './room.ts';
import { Standing } from './standing.ts';
import type { OpenedStore } from './store-desk.ts';

/** A store that is being opened, or open, for one instance. */
export type Opening = {
  readonly name: string;
  /** Stands for the store, and for whom it is opened. */
  readonly key: string;
  readonly ready: Promise<OpenedStore>;
  /** Null: not yet. */
  opened: OpenedStore | null;
  /** Why it was not opened. */
  failure: { readonly error: unknown } | null;
  /** This one, or another one where this has failed, or another store has the name. */
  readonly newest: () => Opening;
  /** Whether whom it is open for may still read it. */
  readonly mayRead: () => boolean;
  /** Calls back when it is open, if it could not be at first, until the returned function is called. */
  readonly onceOpen: (opened: () => void) => () => void;
};

/** The stores of one user. */
type Shelf = {
  readonly number: number;
  readonly openings: Map<string, Opening>;
  /** Null: of the server itself. */
  readonly standing: Standing | null;
  /** When what somebody who had gone has opened is let go of. */
  closing: unknown;
};

/** What is known of those for whom stores are open. */
export type People = {
  /** Whether their socket looks after their rights. */
  readonly isThere: (user: Principal) => boolean;
  /** Whether they have gone for good, so that nobody will say when they go. */
  readonly isGone: (user: Principal) => boolean;
  /** Whether they still have the rights by which they came. */
  readonly mayStill: (user: Principal) => Promise<boolean>;
};

const allThere: People = {
  isThere: () => true,
  isGone: () => false,
  mayStill: async () => true,
};

/** A store that could not be opened is tried again after so long. */
const AGAIN_MS = 1000;
/** What is opened for somebody who has gone already is let go of after so long. */
const GONE_MS = 30_000;

/** The stores that one instance uses, each opened once for everybody it is opened for. */
export class Openings {
  readonly #room: Pick<ViewsRoom, 'desk' | 'clock'>;
  readonly #people: People;
  /** By whom they are open for; null: the server itself. Who comes anew, or with another token, is another. */
  readonly #shelves = new Map<unknown, Shelf>();
  #lastNumber = 0;
  #isClosed = false;

  constructor(room: Pick<ViewsRoom, 'desk' | 'clock'>, people: People = allThere) {
    this.#room = room;
    this.#people = people;
  }

  /** Opens a store, unless it is open; one that could not be opened is tried anew, as is the next of a name. */
  open(name: string, user: Principal | null): Opening {
    const { number, openings, standing } = this.#shelves.get(user) ?? this.#shelfOf(user);
    const known = openings.get(name);
    if (known !== undefined && isGood(known)) return known;
    if (known !== undefined) letGo(known);
    const opening: Opening = {
      name,
      key: `open ${number} ${name}`,
      ready: this.#room.desk.open(
        name,
        user,
        async () => user === null || this.#people.mayStill(user),
      ),
      opened: null,
      failure: null,
      newest: () => (isGood(opening) ? opening : this.open(name, user)),
      mayRead: () => standing?.isGood ?? true,
      onceOpen: (opened) => this.#onceOpen(opening, opened),
    };
    opening.ready.then(
      (opened) => {
        opening.opened = opened;
      },
      (error: unknown) => {
        opening.failure = { error };
      },
    );
    if (this.#isClosed) letGo(opening);
    else openings.set(name, opening);
    return opening;
  }

  /** Somebody has gone, and may come back: what they have asked for goes on. */
  left(user: unknown): void {
    this.#shelves.get(user)?.standing?.left();
  }

  /** Lets go of what is open for one user; never of the server's own. */
  closeOf(user: unknown): void {
    if (user === null) return;
    const shelf = this.#shelves.get(user);
    this.#shelves.delete(user);
    if (shelf !== undefined) this.#empty(shelf);
  }

  close(): void {
    this.#isClosed = true;
    for (const shelf of this.#shelves.values()) this.#empty(shelf);
    this.#shelves.clear();
  }

  #empty({ openings, standing, closing }: Shelf): void {
    openings.forEach(letGo);
    standing?.end();
    this.#room.clock.clearTimeout(closing);
  }

  #shelfOf(user: Principal | null): Shelf {
    this.#lastNumber += 1;
    const standing = user === null ? null : this.#standingOf(user);
    const openings = new Map<string, Opening>();
    const shelf: Shelf = { number: this.#lastNumber, openings, standing, closing: null };
    if (this.#isClosed) {
      standing?.end();
      return shelf;
    }
    this.#shelves.set(user, shelf);
    if (user !== null && this.#people.isGone(user)) {
      shelf.closing = this.#room.clock.setTimeout(() => this.closeOf(user), GONE_MS);
    }
    return shelf;
  }

  #standingOf(user: Principal): Standing {
    const people = this.#people;
    const standing = new Standing(this.#room.clock, {
      isThere: () => people.isThere(user),
      mayStill: () => people.mayStill(user),
    });
    if (!people.isThere(user)) standing.left();
    return standing;
  }

  /** Tries until it can be, or may not be. */
  #onceOpen(first: Opening, opened: () => void): () => void {
    const { clock } = this.#room;
    let isOver = false;
    let timer: unknown = null;
    const wait = (opening: Opening): void => {
      opening.ready.then(
        () => {
          if (!isOver && opening !== first) opened();
        },
        (error: unknown) => {
          if (isOver || this.#isClosed || !isWeather(error)) return;
          timer = clock.setTimeout(() => wait(opening.newest()), AGAIN_MS);
        },
      );
    };
    wait(first);
    return () => {
      isOver = true;
      clock.clearTimeout(timer);
    };
  }
}

/** Whether what is read of it is of the store that has the name. */
function isGood({ failure, opened }: Opening): boolean {
  return failure === null && opened?.isReplaced !== true;
}

/** Lets go of a store, once it is open. */
function letGo({ ready }: Opening): void {
  ready.then(
    (opened) => opened.release(),
    () => undefined,
  );
}

/** Whether it may pass: nobody has refused it for good. */
function isWeather(error: unknown): boolean {
  return !(error instanceof HoldfastError) || error.code === 'unavailable';
}
