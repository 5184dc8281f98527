import {
  Dialer,
  type DialerEffect,
  type DialerInput,
  Listener,
  type ListenerEffect,
  type ListenerInput,
} from '@holdfast/engine/session';
import type { Frame } from '@holdfast/protocol';
import { Client } from './client.ts';

type Event = { readonly at: number; readonly order: number; readonly run: () => void };
type Untimed<Input> = Input extends unknown ? Omit<Input, 'now'> : never;

/** How likely misfortunes are while there is weather, from 0 to 1. */
export type Weather = {
  readonly refusedUpgrade: number;
  readonly refusedJoin: number;
  readonly cut: number;
  readonly silence: number;
  readonly shut: number;
};

/** A client and a server in one process: a wire that delays and breaks, a host that answers in any order, and time that is only a number. */
export class World {
  readonly client = new Client();
  readonly dialer: Dialer;
  readonly #weather: Weather;
  #events: Event[] = [];
  #order = 0;
  #now = 0;
  #wake: number | null = null;
  #calm = false;
  #seed: number;
  #server: Server | null = null;

  constructor(seed: number, weather: Weather) {
    this.#seed = seed;
    this.#weather = weather;
    this.dialer = new Dialer({ random: () => this.random(), renewable: true });
  }

  get wake(): number | null {
    return this.#wake;
  }

  /** Repeatable chance (mulberry32). */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  happens(misfortune: keyof Weather): boolean {
    return !this.#calm && this.random() < this.#weather[misfortune];
  }

  /** From now on nothing goes wrong any more, beyond what has. */
  calmDown(): void {
    this.#calm = true;
  }

  later(ms: number, run: () => void): void {
    this.#order += 1;
    this.#events.push({ at: this.#now + ms, order: this.#order, run });
  }

  tell(input: Untimed<DialerInput>): void {
    for (const effect of this.dialer.step({ now: this.#now, ...input })) this.#perform(effect);
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (let at = this.#next(); at <= until; at = this.#next()) {
      this.#now = at;
      if (this.#wake !== null && this.#wake <= at) {
        this.#wake = null;
        this.tell({ type: 'tick' });
        continue;
      }
      const [event] = this.#events;
      this.#events.shift();
      event?.run();
    }
    this.#now = until;
  }

  push(topic: string): void {
    const id = this.client.push(topic);
    if (id !== null) this.tell({ type: 'push', topic, id, event: 'write', payload: {} });
  }

  get now(): number {
    return this.#now;
  }

  #next(): number {
    this.#events.sort((a, b) => a.at - b.at || a.order - b.order);
    const wake = this.#wake === null ? Infinity : Math.max(this.#wake, this.#now);
    return Math.min(wake, this.#events[0]?.at ?? Infinity);
  }

  #perform(effect: DialerEffect): void {
    this.client.hear(effect);
    if (effect.type === 'open') {
      this.#open(effect.link);
    } else if (effect.type === 'close') {
      this.#server?.cut();
    } else if (effect.type === 'send') {
      this.#server?.deliver(effect.link, effect.frame);
    } else if (effect.type === 'wake') {
      this.#wake = effect.at;
    }
  }

  #open(link: number): void {
    if (this.happens('silence')) return;
    this.later(this.random() * 300, () => {
      if (this.happens('refusedUpgrade')) {
        this.tell({ type: 'closed', link, code: 1006 });
        return;
      }
      this.#server?.cut();
      this.#server = new Server(this, link);
      this.tell({ type: 'opened', link });
    });
  }
}

/** The server's end of one link: its listener, the two directions of the wire, and the host behind. */
class Server {
  readonly #world: World;
  readonly #link: number;
  readonly #listener: Listener;
  readonly #busyUntil = { up: 0, down: 0 };
  #isCut = false;

  constructor(world: World, link: number) {
    this.#world = world;
    this.#link = link;
    this.#listener = new Listener({ now: world.now, maxChannels: 100, idleTimeoutMs: 60_000 });
  }

  /** Nothing passes any more, in either direction. */
  cut(): void {
    this.#isCut = true;
  }

  deliver(link: number, frame: Frame): void {
    if (link !== this.#link) throw new Error('sent over a link that is not open');
    this.#misfortune();
    this.#carry('up', () => this.#tell({ type: 'received', frame }));
  }

  /** The wire keeps its order, whatever each frame's delay. */
  #carry(way: 'up' | 'down', arrive: () => void): void {
    const { now } = this.#world;
    this.#busyUntil[way] = Math.max(this.#busyUntil[way], now + this.#world.random() * 100);
    this.#world.later(this.#busyUntil[way] - now, () => {
      if (!this.#isCut) arrive();
    });
  }

  #misfortune(): void {
    if (this.#isCut) return;
    if (this.#world.happens('silence')) {
      this.cut();
    } else if (this.#world.happens('cut')) {
      this.cut();
      this.#closeFor(1006);
    }
  }

  #closeFor(code: number): void {
    this.#world.later(this.#world.random() * 100, () =>
      this.#world.tell({ type: 'closed', link: this.#link, code }),
    );
  }

  #tell(input: Untimed<ListenerInput>): void {
    for (const effect of this.#listener.step({ now: this.#world.now, ...input })) {
      this.#perform(effect);
    }
  }

  #perform(effect: ListenerEffect): void {
    const soon = this.#world.random() * 500;
    switch (effect.type) {
      case 'send': {
        const { frame } = effect;
        this.#carry('down', () => this.#world.tell({ type: 'received', link: this.#link, frame }));
        break;
      }
      case 'join':
        this.#world.later(soon, () => this.#decide(effect.channel));
        break;
      case 'push':
        this.#world.later(soon, () => this.#answer(effect.channel, effect.slot));
        break;
      case 'close':
        this.cut();
        this.#closeFor(effect.code);
        break;
      case 'control':
      case 'left':
        break;
    }
  }

  #decide(channel: number): void {
    if (this.#world.happens('refusedJoin')) {
      const response = { reason: 'overloaded', retry_after_ms: 500 };
      this.#tell({ type: 'refuse', channel, response });
    } else {
      this.#tell({ type: 'accept', channel, response: {} });
    }
  }

  #answer(channel: number, slot: number): void {
    if (this.#world.happens('shut')) this.#tell({ type: 'shut', channel });
    this.#tell({ type: 'answer', channel, slot, status: 'ok', response: { slot } });
  }
}
