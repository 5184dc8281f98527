import { randomUUID } from 'node:crypto';
import type { LoggedOp } from '@holdfast/engine/authority';
import { type Around, objectsTouched, type Veil } from '@holdfast/engine/gate';
import type { Path, Seq } from '@holdfast/protocol';
import type { Clock } from '../host/clock.ts';
import { lookAgain, type Onlooker, Pace, type Patrol } from '../host/patrol.ts';
import { Doubts } from './doubts.ts';

/** So long who is away may come back and be sent nothing that it has. */
export const AWAY_MS = 120_000;
const AWAY_MAX = 1000;
const FORGET_MS = 3000;
const TAKEN_MAX = 1000;

/** A channel that wants to know that its client may see another part of something. */
type Attendant = { refresh(): void };

/**
 * What is known of what a client has been shown of a store of which something is hidden from it: as long as its channel lasts,
 * and until it comes back (records.md §17). What was told with the state of a seq it has if it has got beyond that.
 */
export class Account {
  /** Goes to the client with the scope, and comes back with the next join. */
  readonly name: string;
  /** What it was shown by the seq at which it joined is known. */
  readonly isKnown: boolean;
  /** The objects of which it may see more or less than it was told. */
  readonly unsure: Doubts = new Doubts();
  attendant: Attendant | null = null;
  awaySince = 0;
  readonly #told = new Doubts();
  #through: Seq = 0;
  /** Of a client that is no further than this nothing is known. */
  #floor: Seq = -1;
  /** What its client may lack is among what is unsure, or was told. */
  #hasBegun: boolean;
  /** Its channel is gone, so that its name may stand for another. */
  #hasLeft = false;

  private constructor(name: string, isKnown: boolean) {
    this.name = name;
    this.isKnown = isKnown;
    this.#hasBegun = isKnown;
  }

  static unknown(): Account {
    return new Account(randomUUID(), false);
  }

  /** Its client is sent the state of a seq as a whole, and has it if it was elsewhere, and is at that by then. */
  begin({ last, cut }: { readonly last: Seq; readonly cut: Seq }): void {
    this.#hasBegun = true;
    this.tell(cut);
    this.#floor = Math.max(this.#floor, last > cut ? last : cut - 1);
    if (last !== cut || cut === 0) return;
    this.#told.add(null);
    this.#through = cut;
  }

  /** Its client goes on with what it has, and these of it are unsure; null: all. */
  goOn(unsure: readonly Path[] | null): void {
    this.#hasBegun = true;
    this.unsure.add(unsure);
  }

  /** Its channel is gone. */
  leave(): void {
    this.attendant = null;
    this.#hasLeft = true;
  }

  /** Takes what is unsure, to be told with the state of a seq. */
  tell(seq: Seq): Doubts {
    const told = this.unsure.taken();
    this.#told.add(told);
    if (!told.isEmpty) this.#through = seq;
    return told;
  }

  /** The account of a client that comes back and says to be at a seq; another's, where this one is still in use. */
  resumed(at: Seq): Account {
    const next = new Account(this.#hasLeft ? this.name : randomUUID(), true);
    next.#floor = this.#floor;
    next.unsure.add(this.unsure);
    if (at > this.#through) {
      next.#floor = Math.max(this.#floor, this.#through);
    } else {
      next.#through = this.#through;
      next.#told.add(this.#told);
      next.unsure.add(this.#told);
    }
    if (at <= this.#floor || !this.#hasBegun) next.unsure.add(null);
    return next;
  }

  /** Whether of all these objects its client has what it was shown. */
  isSureOf(objects: readonly Path[]): boolean {
    return this.isKnown && !objects.some((each) => this.unsure.has(each) || this.#told.has(each));
  }
}

/** Somebody who looks at a store of which records hide something: the rules are asked once for all of its channels. */
export class Viewer implements Onlooker {
  readonly veil: Veil;
  readonly #room: ViewersRoom;
  #users = 0;
  #rest: (() => void) | null = null;
  readonly #accounts = new Map<string, Account>();
  readonly #taken: (readonly [Seq, Path])[] = [];
  #takenAfter: Seq = 0;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(veil: Veil, room: ViewersRoom) {
    this.veil = veil;
    this.#room = room;
  }

  /** Whether nobody is here, nor may come back. */
  get isForgotten(): boolean {
    return this.#users === 0 && this.#accounts.size === 0;
  }

  /** Somebody is here; while anybody is, the rules are asked again and again, for they change without a commit. */
  enter(): void {
    this.#users += 1;
    this.#rest ??= this.#room.patrol.lookFor(this);
  }

  exit(): void {
    this.#users -= 1;
    if (this.#users === 0) this.rest();
  }

  rest(): void {
    this.#rest?.();
    this.#rest = null;
  }

  /** The account of a client that joins at a seq, as it names it. */
  account(name: string | null, at: Seq): Account {
    const former = name === null ? undefined : this.#accounts.get(name);
    const account = former?.resumed(at) ?? Account.unknown();
    this.#keep(account);
    return account;
  }

  /** The channel of an account is gone. */
  left(account: Account): void {
    account.leave();
    if (this.#accounts.get(account.name) === account) this.#keep(account);
  }

  /**
   * The client of an account was one of this process, as those for pages are, and is closed: it never comes back. Of hundreds in
   * a second, each would have the rules asked at each commit for minutes.
   */
  forgo(account: Account): void {
    if (this.#accounts.get(account.name) === account) this.#accounts.delete(account.name);
  }

  /** Forgets who has been away for long, and those who left first where there are too many. */
  forget(now: number): void {
    const away = [...this.#accounts.values()].filter(({ attendant }) => attendant === null);
    const excess = away.length - AWAY_MAX;
    for (const [at, { name, awaySince }] of away.entries()) {
      if (at < excess || awaySince + AWAY_MS <= now) this.#accounts.delete(name);
    }
  }

  /** All that the rules show by now of what they were asked about; who sees another part than before is told. */
  recheck(): Promise<void> {
    // What became of the one before, whoever asked for it has heard.
    const before = this.#running.catch(() => undefined);
    this.#next ??= before.then(() => {
      this.#next = null;
      this.#running = lookAgain(this, new Pace(this.#room.clock, 1));
      return this.#running;
    });
    return this.#next;
  }

  /** The rules show another part of these by now. */
  turned(objects: readonly Path[]): void {
    this.#room.evaluations.turned(this.veil, objects);
    this.doubt(objects);
  }

  /** Of these objects, its clients see another part than they were told. */
  doubt(objects: readonly Path[]): void {
    for (const account of this.#accounts.values()) {
      account.unsure.add(objects);
      account.attendant?.refresh();
    }
  }

  /**
   * Notes a commit: the objects of which another part is seen than before, which it gives back, and those from which something
   * was taken that was shown. To whom the log is read later, by other rules perhaps, that may not be told.
   */
  follow(objects: readonly Path[], { before, after }: Around, seq: Seq): readonly Path[] {
    const { veil } = this;
    return objects.filter((path) => {
      if (!veil.wasAsked(path)) return false;
      const [was, is] = [before.read(path)?.value, after.read(path)?.value];
      if (veil.hasTaken(path, was, is)) this.#taken.push([seq, path]);
      const [dropped] = this.#taken.length > TAKEN_MAX ? this.#taken.splice(0, 1) : [];
      if (dropped !== undefined) [this.#takenAfter] = dropped;
      return veil.hasTurned(path, was, is);
    });
  }

  /** The objects from which something was taken after a seq; null: nobody knows. */
  takenSince(seq: Seq): readonly Path[] | null {
    if (seq < this.#takenAfter) return null;
    return this.#taken.filter(([at]) => at > seq).map(([, path]) => path);
  }

  /** As the one that was used last. */
  #keep(account: Account): void {
    account.awaySince = this.#room.clock.now();
    this.#accounts.delete(account.name);
    this.#accounts.set(account.name, account);
  }
}

/** A viewer, until it is released. */
export type HeldViewer = { readonly viewer: Viewer; release(): void };

/** What viewers need. */
export type ViewersRoom = {
  readonly clock: Clock;
  readonly patrol: Patrol;
  readonly evaluations: { turned(veil: Veil, objects: readonly Path[]): void };
};

/** Objects of which somebody sees another part than before. */
export type Turned = Map<Viewer, readonly Path[]>;

/** Those who look at one store through what its records hide from them. */
export class Viewers {
  readonly #room: ViewersRoom;
  readonly #byName = new Map<string, Viewer>();
  #timer: unknown = null;

  constructor(room: ViewersRoom) {
    this.#room = room;
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  /** The viewer from whom the same is hidden. */
  hold(veil: Veil): HeldViewer {
    const viewer = this.#byName.get(veil.name) ?? new Viewer(veil, this.#room);
    this.#byName.set(veil.name, viewer);
    viewer.enter();
    this.#arm();
    let isHeld = true;
    return {
      viewer,
      release: () => {
        if (isHeld) viewer.exit();
        isHeld = false;
      },
    };
  }

  /** Notes from whom a commit hides what they had, or to whom it shows what they had not (records.md §17). */
  turn(commit: readonly LoggedOp[], around: Around, turned: Turned): void {
    let touched: readonly Path[] | null = null;
    for (const viewer of this.#byName.values()) {
      // All veils of a store are about the same objects.
      touched ??= objectsTouched(commit, viewer.veil);
      const objects = viewer.follow(touched, around, commit.at(-1)?.seq ?? 0);
      if (objects.length === 0) continue;
      turned.set(viewer, [...(turned.get(viewer) ?? []), ...objects]);
    }
  }

  close(): void {
    this.#room.clock.clearTimeout(this.#timer);
    for (const viewer of this.#byName.values()) viewer.rest();
    this.#byName.clear();
  }

  #arm(): void {
    this.#timer ??= this.#room.clock.setTimeout(() => this.#forget(), FORGET_MS);
  }

  #forget(): void {
    for (const [name, viewer] of this.#byName) {
      viewer.forget(this.#room.clock.now());
      if (viewer.isForgotten) this.#byName.delete(name);
    }
    this.#timer = null;
    if (!this.isEmpty) this.#arm();
  }
}
