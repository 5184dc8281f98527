import {
  type Cache,
  type Client,
  type ClientEnv,
  createClient,
  type Link,
  type Receipt,
  type Store,
} from '@holdfast/client';
import { tabs } from '@holdfast/client/tabs';
import { jsonCodec } from '@holdfast/protocol';
import type { Host } from '../world/host.ts';
import type { Room } from '../world/room.ts';
import { Wire } from '../world/wire.ts';
import { lateCache } from './late-cache.ts';
import { Life } from './life.ts';
import type { Origin } from './origin.ts';

export const deviceId = 'browser';
const wallStart = 1_700_000_000_000;

/** Where tabs live. */
export type Street = {
  readonly room: Room;
  readonly origin: Origin;
  readonly host: Host;
  readonly cache: Cache;
  /** How long it takes to do what it is asked. */
  readonly cacheMs: number;
  /** The wires that are open between tabs and the server. */
  readonly wires: Set<Wire>;
  readonly nextId: () => string;
};

/** A write, and what its tab was told of it. */
export type Written = {
  readonly receipt: Receipt;
  readonly by: Tab;
  isDurable: boolean;
  committedAt: number | null;
  refusedFor: string | null;
};

/** A tab with a client in it, which may freeze, crash, or be closed. */
export class Tab {
  readonly name: string;
  readonly life = new Life();
  readonly client: Client;
  readonly store: Store;
  readonly errors: string[] = [];
  readonly writes: Written[] = [];
  isClosing = false;
  readonly #street: Street;
  #wires: Wire[] = [];

  constructor(name: string, street: Street) {
    this.name = name;
    this.#street = street;
    this.client = createClient({
      url: 'ws://server',
      token: 'token',
      deviceId,
      env: this.#env(),
      link: this.#link(),
      cache: lateCache(street.cache, {
        room: street.origin.room,
        life: () => this.life,
        mostMs: street.cacheMs,
      }),
      tabs: tabs({ name: 'ada', platform: street.origin.platform(this.life) }),
      onError: (error) => this.errors.push(String(error)),
      onRejected: ({ error }) => this.errors.push(`rejected: ${error.code}`),
    });
    this.store = this.client.store('acme/app');
    this.life.onEnd(() => this.#unplug());
  }

  /** Whether this tab has the connection. */
  get hasWire(): boolean {
    return this.#wires.some((wire) => this.#street.wires.has(wire));
  }

  write(deed: (store: Store) => Receipt): void {
    if (!this.life.isAwake) return;
    const receipt = deed(this.store);
    const written: Written = {
      receipt,
      by: this,
      isDurable: false,
      committedAt: null,
      refusedFor: null,
    };
    this.writes.push(written);
    receipt.durable.then(
      () => {
        written.isDurable = true;
      },
      () => undefined,
    );
    receipt.committed.then(
      () => {
        written.committedAt = this.#street.room.agenda.now;
      },
      (error: unknown) => {
        written.refusedFor = String(error);
      },
    );
  }

  /** The person closes it. */
  close(): void {
    this.isClosing = true;
    this.life.run(() => {
      void this.client.close();
      this.#street.room.agenda.later(20, () => this.life.end());
    });
  }

  /** The network breaks under it. */
  cut(): void {
    this.#unplug();
  }

  #unplug(): void {
    for (const wire of this.#wires) this.#drop(wire);
  }

  #drop(wire: Wire): void {
    wire.cut();
    this.#street.wires.delete(wire);
    this.#wires = this.#wires.filter((each) => each !== wire);
  }

  #env(): ClientEnv {
    const { agenda, dice } = this.#street.room;
    return {
      now: () => agenda.now,
      wall: () => wallStart + Math.floor(agenda.now),
      setTimeout: (run, ms) => {
        const timer = { run };
        agenda.later(ms, () => this.life.run(() => timer.run()));
        return timer;
      },
      clearTimeout: (timer) => {
        const isOurs = typeof timer === 'object' && timer !== null;
        if (isOurs) Object.assign(timer, { run: () => undefined });
      },
      random: () => dice.next(),
      randomId: () => this.#street.nextId(),
      deviceId: () => deviceId,
      fetch: () => Promise.reject(new Error('nobody is there')),
      watchNetwork: () => () => undefined,
      dev: false,
    };
  }

  #link(): Link {
    const { room, host, wires } = this.#street;
    return {
      open: (_url, events) => {
        const wire = new Wire(room);
        let isOver = false;
        const end = (): void => {
          this.#drop(wire);
          if (isOver) return;
          isOver = true;
          this.life.run(() => events.closed(1006));
        };
        wire.attach('down', {
          received: (data) => this.life.run(() => (isOver ? undefined : events.received(data))),
          closed: end,
        });
        room.agenda.later(room.delay(40), () => {
          if (isOver || !this.life.isAlive) return;
          if (host.process === null) {
            end();
            return;
          }
          wires.add(wire);
          this.#wires.push(wire);
          host.process.accept(wire, jsonCodec, {
            deviceId,
            principal: deviceId,
            isBarred: () => false,
          });
          this.life.run(() => (isOver ? undefined : events.opened()));
        });
        return {
          send: (data) => wire.send('up', data),
          close: () => room.agenda.later(0, end),
        };
      },
    };
  }
}
