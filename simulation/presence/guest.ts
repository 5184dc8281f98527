import { type Client, HoldfastError } from '@holdfast/client';
import { joinPresence, type Presence } from '@holdfast/client/presence';
import type { JsonObject } from '@holdfast/protocol';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';

export const storeName = 'acme/app';
export const at = { store: storeName, topic: 'rooms/7' };

/** Who is shown to somebody, by `<key>/<peer>`, and what each shows. */
export type Shown = ReadonlyMap<string, JsonObject>;
/** Who was shown since a time. */
export type Look = { readonly at: number; readonly shown: Shown };

/** What somebody does on the topic. */
export type GuestDeed = 'set' | 'burst' | 'clear' | 'leave' | 'come';

/** Somebody on the topic, who comes and goes, shows something or looks on, and notes who is shown to it. */
export class Guest {
  readonly device: Device;
  readonly #now: () => number;
  readonly #next: () => number;
  #presence: Presence<JsonObject> | null = null;
  #state: JsonObject | null = null;
  #looks: Look[] = [];

  constructor(
    seat: (options: Pick<DeviceOptions, 'onRestart'>) => Device,
    of: { readonly now: () => number; readonly next: () => number },
  ) {
    this.#now = of.now;
    this.#next = of.next;
    this.device = seat({ onRestart: (client) => this.#started(client) });
    this.#started(this.device.client);
  }

  get name(): string {
    return this.device.name;
  }

  /** Its own name on the topic; null: it shows nothing there. */
  get own(): string | null {
    const peers = this.#presence?.peers.get() ?? new Map<string, never>();
    return [...peers].find(([, { self }]) => self)?.[0] ?? null;
  }

  /** What it shows; null: nothing. */
  get state(): JsonObject | null {
    return this.#state;
  }

  /** Whether it is on the topic at all. */
  get isHere(): boolean {
    return this.#presence !== null;
  }

  /** Whether the server says that it is there. */
  get isJoined(): boolean {
    return this.#presence?.status.get().state === 'joined';
  }

  /** Who is shown to it. */
  get shown(): Shown {
    return shownOf(this.#presence);
  }

  /** Who was shown to it each time that this changed since a time, and just before it. */
  looksSince(time: number): readonly Look[] {
    const before = this.#looks.findLast((look) => look.at < time);
    const since = this.#looks.filter((look) => look.at >= time);
    return before === undefined ? since : [before, ...since];
  }

  act(does: GuestDeed, dice: Dice): void {
    if (does === 'come') this.come();
    else if (does === 'leave') this.leave();
    else if (does === 'clear') this.#show(null);
    else for (let left = does === 'set' ? 1 : 2 + dice.below(8); left > 0; left--) this.set();
  }

  set(): void {
    this.#show({ n: this.#next() });
  }

  come(): void {
    this.#join(this.device.client);
  }

  leave(): void {
    this.#presence?.leave();
    this.#presence = null;
    this.#state = null;
    this.#looks = [];
  }

  #show(state: JsonObject | null): void {
    if (this.#presence === null) return;
    this.#state = state;
    if (state === null) this.#presence.clear();
    else this.#presence.set(state);
  }

  #started(client: Client): void {
    this.#presence = null;
    this.#state = null;
    this.#looks = [];
    this.#join(client);
  }

  #join(client: Client): void {
    if (this.#presence !== null) return;
    try {
      const presence = joinPresence(client, at);
      this.#presence = presence;
      presence.peers.subscribe(() => {
        if (this.#presence === presence) {
          this.#looks.push({ at: this.#now(), shown: shownOf(presence) });
        }
      });
    } catch (error) {
      // Its page is being left.
      if (!(error instanceof HoldfastError) || error.code !== 'closed') throw error;
    }
  }
}

function shownOf(presence: Presence<JsonObject> | null): Shown {
  const peers = presence?.peers.get() ?? new Map<string, never>();
  return new Map([...peers].map(([name, { value }]) => [name, value]));
}
