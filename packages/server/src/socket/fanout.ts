import type { LoggedOp } from '@holdfast/engine/authority';
import type { Seq } from '@holdfast/protocol';
import type { StoreHost } from '../host/store-host.ts';
import { encodePart, partsOf } from './ops.ts';
import type { Outbox } from './outbox.ts';
import type { Audience } from './terms.ts';

/** A channel that is at the head of its store and hears what comes next. */
export type Listener = {
  readonly outbox: Outbox;
  /** The socket is too slow: the channel leaves the live group with everything up to `cursor` delivered. */
  lag(cursor: Seq): void;
};

/** Channels of equal audience and cursor: every commit is encoded once for all of them (stores.md §10.2.0). */
class Group {
  readonly listeners = new Set<Listener>();
  readonly #audience: Audience;

  constructor(audience: Audience) {
    this.#audience = audience;
  }

  deliver(cursor: Seq, ops: readonly LoggedOp[]): void {
    let from = cursor;
    for (const part of partsOf(ops)) {
      if (this.listeners.size === 0) return;
      this.#send(from, encodePart(this.#audience, from, part));
      from = part.at(-1)?.seq ?? from;
    }
  }

  #send(cursor: Seq, bytes: Buffer): void {
    for (const listener of this.listeners) {
      if (listener.outbox.takesMore()) {
        listener.outbox.send(bytes);
      } else {
        this.listeners.delete(listener);
        listener.lag(cursor);
      }
    }
  }
}

/** Hands the facts of one store to its live channels. */
export class Fanout {
  readonly #groups = new Map<string, Group>();
  readonly #unfollow: () => void;
  #cursor: Seq;

  constructor(host: StoreHost) {
    this.#cursor = host.head;
    this.#unfollow = host.follow((ops) => this.#deliver(ops));
  }

  /** Adds a channel whose cursor is the head; the returned function takes it out again. */
  join(audience: Audience, listener: Listener): () => void {
    const key = `${audience.dialect} ${audience.codec.vsn} ${audience.topic}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group(audience);
      this.#groups.set(key, group);
    }
    const { listeners } = group;
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#groups.get(key)?.listeners === listeners) {
        this.#groups.delete(key);
      }
    };
  }

  close(): void {
    this.#unfollow();
  }

  #deliver(ops: readonly LoggedOp[]): void {
    const cursor = this.#cursor;
    this.#cursor = ops.at(-1)?.seq ?? cursor;
    for (const group of this.#groups.values()) {
      if (group.listeners.size > 0) group.deliver(cursor, ops);
    }
  }
}
