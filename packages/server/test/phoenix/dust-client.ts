import { randomUUID } from 'node:crypto';
import type { Channel, Socket } from 'phoenix';
import { answerTo, dropSocket, type Opening, openSocket, type Response } from './client.ts';
import { DustCache, type DustEvent } from './dust-cache.ts';

/** A write was refused; the message says what a person needs. */
export class DustError extends Error {
  readonly response: Response;

  constructor(response: Response) {
    const at =
      'current_revision' in response ? ` (at ${String(response['current_revision'])})` : '';
    super(`${String(response['reason'])}${at}`);
    this.response = response;
  }
}

type Pending = {
  readonly payload: { readonly client_op_id: string };
  readonly resolve: (response: Response) => void;
  readonly reject: (error: DustError) => void;
};

/**
 * A capver-3 client on the official Phoenix client, as those in the field behave: a cache that follows events, a
 * pending list that is cleared by the bare client op id, and an outbox; after a rejoin it sends both, so that a write
 * that waited goes out twice.
 */
export class DustClient {
  readonly cache = new DustCache();
  /** Writes for which no own event has come. */
  readonly pending = new Map<string, Pending>();
  /** Every write that was sent, as often as it was. */
  readonly sent: string[] = [];
  readonly #outbox = new Map<string, Pending>();
  readonly #socket: Socket;
  readonly #channel: Channel;
  readonly #watchers = new Set<(event: DustEvent) => void>();
  readonly ready: Promise<unknown>;

  constructor(url: string, topic: string, opening: Opening = {}) {
    this.#socket = openSocket(url, opening);
    this.#channel = this.#socket.channel(topic, () => ({ last_store_seq: this.cache.cursor }));
    for (const event of ['event', 'snapshot', 'catch_up_complete']) {
      this.#channel.on(event, (payload) => this.#heard(event, payload as object));
    }
    this.ready = new Promise((resolve) => {
      this.#channel.join().receive('ok', (response) => {
        this.#resend();
        resolve(response);
      });
    });
  }

  get(path: string): unknown {
    return this.cache.rows.get(path)?.value;
  }

  revision(path: string): number | undefined {
    return this.cache.rows.get(path)?.revision;
  }

  /** Writes now, or after the next join. */
  write(op: string, path: string, more: object = {}): Promise<Response> {
    const payload = { op, path, client_op_id: randomUUID(), ...more };
    return new Promise((resolve, reject) => {
      const pending = { payload, resolve, reject };
      this.pending.set(payload.client_op_id, pending);
      this.#outbox.set(payload.client_op_id, pending);
      if (this.#channel.state === 'joined') this.#send(pending);
    });
  }

  /** Hears every event from now on. */
  watch(watcher: (event: DustEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Loses the socket; resolves when that is noticed. The Phoenix client opens another. */
  drop(): Promise<void> {
    return new Promise((resolve) => {
      this.#channel.onError(() => resolve());
      dropSocket(this.#socket);
    });
  }

  /** Goes for good, as a killed process does. */
  die(): void {
    this.#socket.disconnect();
  }

  #heard(event: string, payload: object): void {
    this.cache.take(event, payload);
    if (event !== 'event') return;
    const told = payload as DustEvent;
    this.pending.delete(told.client_op_id);
    for (const watcher of this.#watchers) watcher(told);
  }

  #resend(): void {
    const waiting = [...this.#outbox.values(), ...this.pending.values()];
    for (const each of waiting) this.#send(each);
  }

  #send(pending: Pending): void {
    const id = pending.payload.client_op_id;
    this.sent.push(id);
    void answerTo(this.#channel.push('write', pending.payload)).then(([status, response]) => {
      if (status === 'timeout') return;
      this.#outbox.delete(id);
      if (status === 'ok') {
        pending.resolve(response);
      } else {
        this.pending.delete(id);
        pending.reject(new DustError(response));
      }
    });
  }
}
