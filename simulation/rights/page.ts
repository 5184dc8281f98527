import type { DeadLetter, Receipt, Store } from '@holdfast/client';
import { type Json, matches, type OpId, type Path, segmentsOf } from '@holdfast/protocol';
import { parsed } from '../parts/border.ts';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import type { Fates } from './fates.ts';
import { parts, places } from './grants.ts';

export const storeName = 'acme/app';
const pendingMax = 20;
const holdMs = 3000;
const pauseMs = 600;
/** What is decided in a page may not be stored yet for so long, where that freezes. */
const storedMs = 8000;

/** A part that a page has opened. */
export type Opened = {
  readonly part: string;
  readonly store: Store;
  readonly since: number;
  /** Whether its page was told that it is there, or that it will not be. */
  isTold: boolean;
};

/** Leaves that are shown, in their order. */
export type Shown = readonly (readonly [path: Path, value: Json])[];

/** How a page comes to its clients. */
export type Seat = (tenant: {
  readonly onCrash: () => void;
  readonly onRestart: () => void;
}) => Device;

/** A page in which somebody writes, decides about what was refused, and looks into parts, some of them for a moment. */
export class Page {
  readonly device: Device;
  readonly #world: World;
  readonly #fates: Fates;
  readonly #ready: (opened: Opened) => void;
  #open: readonly Opened[] = [];
  #decided = new Set<OpId>();

  constructor(
    world: World,
    seat: Seat,
    of: { readonly fates: Fates; readonly ready: (opened: Opened) => void },
  ) {
    this.#world = world;
    this.#fates = of.fates;
    this.#ready = of.ready;
    this.device = seat({ onCrash: () => this.#crashed(), onRestart: () => void this.store });
    void this.store;
  }

  get store(): Store {
    return this.device.store(storeName);
  }

  get letters(): readonly DeadLetter[] {
    return this.store.outbox.deadLetters();
  }

  get open(): readonly Opened[] {
    return this.#open;
  }

  act(does: 'write' | 'retry' | 'discard' | 'takeBack' | 'open' | 'flick', dice: Dice): void {
    if (this.device.isAsleep || this.device.client.status.get().connection === 'closed') return;
    if (does === 'open') this.#turn(dice);
    else if (does === 'flick') this.#flick(dice);
    else this.#decide(does, dice);
  }

  /** Opens a part, and hears when it is there. */
  look(part: string): Opened {
    const store = this.device.client.store(storeName, { scope: [part] });
    const opened: Opened = { part, store, since: this.#world.now, isTold: false };
    this.#open = [...this.#open, opened];
    const { client } = this.device;
    store.ready.then(
      () => {
        opened.isTold = true;
        if (this.device.client === client && this.#open.includes(opened)) this.#ready(opened);
      },
      () => (opened.isTold = true),
    );
    return opened;
  }

  /** All that is shown of a part. */
  shown({ store, part }: Pick<Opened, 'store' | 'part'>): Shown {
    return store.entries(part, { limit: 1000 }).items.map(({ path, value }) => [path, value]);
  }

  #decide(does: 'write' | 'retry' | 'discard' | 'takeBack', dice: Dice): void {
    if (does === 'write') this.#write(dice);
    else if (does === 'retry') this.#retry(dice);
    else if (does === 'discard') this.#discard(dice);
    else this.#takeBack(dice);
  }

  #write(dice: Dice): void {
    if (this.store.status.get().pending >= pendingMax) return;
    const value = `${this.device.name} ${this.#fates.count}`;
    const options = dice.chance(0.2) ? { ifAbsent: true } : {};
    const receipt = this.store.put(dice.pick(places), value, {
      blind: dice.chance(0.5),
      ...options,
    });
    this.#made(receipt, value, dice.chance(0.3));
  }

  /** What a page is told once it is gone, such as how its writes have ended, nobody hears. */
  #made(receipt: Receipt, value: unknown, isAwaited: boolean): void {
    const { client } = this.device;
    const isHeard = (): boolean => this.device.client === client;
    this.#fates.made(receipt, value, { isAwaited, isHeard });
  }

  /** Somebody asks for a letter again, as it was or another way. */
  #retry(dice: Dice): void {
    if (this.letters.length === 0) return;
    const { opId, request } = dice.pick(this.letters);
    const made = this.#fates.of(opId);
    if (request?.op !== 'set' || made === undefined) return;
    const value = dice.chance(0.3) ? `${opId} edited in ${this.device.name}` : request.value;
    const receipt = this.store.outbox.retry(opId, { ...request, value });
    if (receipt !== null) this.#made(receipt, value, dice.chance(0.2));
  }

  #discard(dice: Dice): void {
    if (this.letters.length === 0) return;
    const { opId, refusal } = dice.pick(this.letters);
    if (!this.store.outbox.discard(opId)) return;
    const made = this.#fates.of(opId);
    if (made === undefined) return;
    made.isOver = true;
    const isCertain = refusal.code !== 'outcome_unknown' && made.retries === 0;
    if (isCertain) this.#hasDecided(opId);
  }

  #takeBack(dice: Dice): void {
    const waiting = this.store.outbox.list();
    if (waiting.length === 0) return;
    const { opId } = dice.pick(waiting);
    const made = this.#fates.of(opId);
    if (made === undefined || !this.store.outbox.discard(opId)) return;
    made.isOver = true;
    this.#hasDecided(opId);
  }

  #hasDecided(opId: OpId): void {
    const made = this.#fates.of(opId);
    if (made === undefined) return;
    made.takenBackAt = this.#world.now;
    this.#decided.add(opId);
  }

  #turn(dice: Dice): void {
    const one = this.#open.length > 0 ? dice.pick(this.#open) : undefined;
    if (one !== undefined && (this.#open.length > 2 || dice.chance(0.4))) this.#leave(one);
    else this.look(dice.pick(parts));
  }

  /** Opens a part for a moment, and again a moment later. */
  #flick(dice: Dice): void {
    const opened = this.look(dice.pick(parts));
    const { client } = this.device;
    const pause = dice.below(pauseMs);
    const again = dice.below(holdMs);
    this.#world.later(dice.below(pauseMs), () => this.#leave(opened));
    this.#world.later(pauseMs + pause, () => {
      if (this.device.client !== client || client.status.get().connection === 'closed') return;
      const second = this.look(opened.part);
      this.#world.later(again, () => this.#leave(second));
    });
  }

  #leave(one: Opened): void {
    this.#open = this.#open.filter((each) => each !== one);
    one.store.close();
  }

  /** What it had just decided may not be stored. */
  #crashed(): void {
    this.#open = [];
    for (const opId of this.#decided) {
      const made = this.#fates.of(opId);
      const isStored = this.#world.now - (made?.takenBackAt ?? 0) >= storedMs;
      if (made !== undefined && !isStored) made.takenBackAt = null;
    }
    this.#decided = new Set();
  }
}

/** What a listing of a part has of some leaves. */
export function within(part: string, leaves: Shown): Shown {
  const patterns = parsed([part]);
  return leaves.filter(([path]) => patterns.some((each) => matches(each, segmentsOf(path))));
}
