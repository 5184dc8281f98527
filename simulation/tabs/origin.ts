import type { TabsChannel, TabsPlatform } from '@holdfast/client/tabs';
import type { Life } from './life.ts';
import { Lane, type OriginRoom } from './lane.ts';

type Claim = {
  readonly life: Life;
  readonly held: () => void;
  readonly lost: () => void;
};

type Ear = { readonly lane: Lane; readonly life: Life; readonly hear: (message: unknown) => void };

/** What the tabs of one origin have in common: locks, and channels that are late and lose things. */
export class Origin {
  readonly room: OriginRoom;
  readonly #holders = new Map<string, Claim>();
  readonly #queues = new Map<string, Claim[]>();
  readonly #ears = new Map<string, Set<Ear>>();

  constructor(room: OriginRoom) {
    this.room = room;
  }

  /** The origin as one tab sees it. */
  platform(life: Life): TabsPlatform {
    return {
      lock: (name, { steal }, events) => this.#lock(name, steal, { life, ...events }),
      locksHeld: () =>
        new Promise((resolve) => {
          const names = new Set(this.#holders.keys());
          this.room.later(this.room.delay(4), () => life.run(() => resolve(names)));
        }),
      channel: (name, hear) => this.#channel(name, life, hear),
    };
  }

  #lock(name: string, steal: boolean, claim: Claim): () => void {
    let isOver = false;
    this.#soon(() => {
      if (isOver || !claim.life.isAlive) return;
      if (steal) this.#steal(name, claim);
      else this.#queue(name).push(claim);
      this.#grant(name);
    });
    const letGo = (): void => {
      isOver = true;
      this.#soon(() => this.#release(name, claim));
    };
    claim.life.onEnd(letGo);
    return letGo;
  }

  #steal(name: string, claim: Claim): void {
    const robbed = this.#holders.get(name);
    this.#holders.delete(name);
    this.#queue(name).unshift(claim);
    if (robbed !== undefined) robbed.life.run(robbed.lost);
  }

  #release(name: string, claim: Claim): void {
    const queue = this.#queue(name);
    const place = queue.indexOf(claim);
    if (place >= 0) queue.splice(place, 1);
    if (this.#holders.get(name) === claim) this.#holders.delete(name);
    this.#grant(name);
  }

  #grant(name: string): void {
    const next = this.#queue(name)[0];
    if (next === undefined || this.#holders.has(name)) return;
    this.#queue(name).shift();
    this.#holders.set(name, next);
    next.life.run(() => {
      // It may have been robbed, or have let go, before it heard of its luck.
      if (this.#holders.get(name) === next) next.held();
    });
  }

  #queue(name: string): Claim[] {
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    return queue;
  }

  #channel(name: string, life: Life, hear: ((message: unknown) => void) | null): TabsChannel {
    const ears = this.#ears.get(name) ?? new Set();
    this.#ears.set(name, ears);
    const own: Ear | null = hear && { lane: new Lane(this.room, 8), life, hear };
    if (own !== null) ears.add(own);
    const close = (): void => {
      if (own !== null) ears.delete(own);
    };
    life.onEnd(close);
    return {
      close,
      post: (message) => {
        for (const ear of ears) if (ear !== own) this.#deliver(ear, structuredClone(message));
      },
    };
  }

  #deliver(ear: Ear, message: unknown): void {
    if (!this.room.loses()) ear.lane.put(() => ear.life.run(() => ear.hear(message)));
  }

  #soon(deed: () => void): void {
    this.room.later(this.room.delay(3), deed);
  }
}
