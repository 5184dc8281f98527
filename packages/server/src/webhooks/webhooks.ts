import { isIP } from 'node:net';

import type { Seq, StoreName } from '@holdfast/protocol';

import type { Bus } from '../bus/port.ts';
import type { Delivery, Storage, StoreRow, WebhookRow, WebhookStanding } from '../storage/port.ts';
import { Allowed } from './address.ts';
import { Courier, type CourierRoom, type Labels, REST_MS } from './courier.ts';
import { Names } from './names.ts';
import { type Answered, hostOf, post, type PostClock } from './post.ts';
import { newSecret, signatureOf } from './signature.ts';

/** Where webhooks may go besides public addresses by https (stores.md §17.1, §17.6). */
export type WebhookOptions = {
  /** Host names, addresses and ranges such as `10.1.0.0/16` of your own network that may be reached. */
  readonly allow?: readonly string[];
  /** Whether plain http is taken too. */
  readonly http?: boolean;
};

/** What {@link WebhookOptions} come to. */
export type Reach = { readonly allowed: Allowed; readonly http: boolean };

/** Where webhooks may go. Throws `TypeError` for what cannot be allowed. */
export function reachOf({ allow = [], http = false }: WebhookOptions = {}): Reach {
  return { allowed: new Allowed(allow), http };
}

type WebhooksRoom = Omit<CourierRoom, 'send' | 'storage' | 'attempted'> & {
  /** An attempt has ended, or a webhook was given up after its last. */
  readonly counted: (result: 'delivered' | 'failed' | 'given_up') => void;
  readonly storage: Storage;
  readonly bus: Pick<Bus, 'subscribe'>;
  readonly clock: CourierRoom['clock'] & PostClock;
  readonly newId: () => string;
};

/** Patterns of one webhook (stores.md §12.1). */
export const PATTERNS_MAX = 64;
const URL_MAX = 2048;

type Running = { readonly courier: Courier; readonly unsubscribe: () => void };

/** The webhooks of a server: one courier for each that is active (stores.md §17). */
export class Webhooks {
  readonly #room: WebhooksRoom;
  readonly #reach: Reach;
  readonly #names = new Names();
  readonly #running = new Map<string, Running>();
  readonly #ending = new Set<Promise<void>>();
  readonly #turns = new Map<string, Promise<void>>();
  #isOver = false;
  #startingAgain: unknown = null;

  constructor(room: WebhooksRoom, reach: Reach = reachOf()) {
    this.#room = room;
    this.#reach = reach;
  }

  /** Goes on with what is active and not under way, such as what former processes have left; again where the storage fails. */
  start(): void {
    const { clock, report } = this.#room;
    this.#resume().catch((error: unknown) => {
      if (this.#isOver) return;
      report('webhooks could not be started', error);
      clock.clearTimeout(this.#startingAgain);
      this.#startingAgain = clock.setTimeout(() => this.start(), REST_MS);
    });
  }

  /** Ends when every attempt under way is answered and noted. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#room.clock.clearTimeout(this.#startingAgain);
    for (const id of this.#running.keys()) this.#end(id);
    await Promise.all(this.#ending);
  }

  /** How many are active here, and how many ops they have not come to yet, together. */
  figures(): { readonly active: number; readonly lag: number } {
    const all = [...this.#running.values()];
    return { active: all.length, lag: all.reduce((sum, { courier }) => sum + courier.lag, 0) };
  }

  /** Why nothing can be sent to this URL, in words; null if it can. What a name resolves to is looked at later. */
  faultInUrl(text: string): string | null {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url === null || text.length > URL_MAX) {
      return `url is a URL of at most ${URL_MAX} characters.`;
    }
    if (url.protocol !== 'https:' && !(this.#reach.http && url.protocol === 'http:')) {
      return this.#reach.http
        ? 'url begins with https:// or http://.'
        : 'url begins with https://.';
    }
    if (url.username !== '' || url.password !== '') return 'url carries no user and no password.';
    const host = hostOf(url);
    return isIP(host) === 0 || this.#reach.allowed.permits(host, host)
      ? null
      : 'url leads to an address that is not a public one.';
  }

  /** Adds a webhook that begins now; null if the store has as many as it may have. */
  async create(
    store: StoreRow,
    wanted: Pick<WebhookRow, 'url' | 'patterns' | 'ops'>,
  ): Promise<WebhookRow | null> {
    const { storage, newId, limits } = this.#room;
    const row = await storage.webhooks.create(
      { id: newId(), store: store.id, secret: newSecret(), insertedAt: storage.now(), ...wanted },
      limits.max_webhooks,
    );
    if (row !== null) this.#begin(row, store);
    return row;
  }

  /** Those of a store, oldest first, as far as they have come. */
  async list(store: string): Promise<readonly WebhookRow[]> {
    const rows = await this.#room.storage.webhooks.list({ store });
    return rows.map((row) => Object.assign({}, row, this.#running.get(row.id)?.courier.standing));
  }

  async remove(id: string): Promise<void> {
    await this.#room.storage.webhooks.remove(id);
    this.#end(id);
  }

  /** Sends a ping; one that is answered with 2xx makes an inactive webhook active again, from its cursor on (stores.md §17.4). */
  async ping(row: WebhookRow, store: StoreRow): Promise<Answered> {
    const { storage, newId } = this.#room;
    const timestamp = new Date(storage.now()).toISOString();
    const body = { event: 'ping', store: store.name, timestamp };
    const answered = await this.#send(row, body, { id: newId(), incarnation: store.incarnation });
    if (answered.error === null) {
      await this.#setting(row.id, () => this.#reactivate(row.id, store));
    }
    return answered;
  }

  /**
   * Goes back to a seq that it has passed: what came after it is delivered again, in order. False if it is gone. `judge` throws
   * where nobody asks for it any more, once what comes before has ended.
   */
  replay(
    id: string,
    store: StoreRow,
    { after, judge }: { readonly after: Seq; readonly judge: () => Promise<void> },
  ): Promise<boolean> {
    return this.#setting(id, async () => {
      const former = this.#running.get(id);
      this.#end(id);
      // What is being sent is noted first; otherwise that would be where it goes on.
      await former?.courier.ended;
      await judge();
      return this.#replay(id, store, after);
    });
  }

  /** Sets from where a webhook goes on; where that cannot be noted, it goes on from where it was. */
  #setting<T>(id: string, set: () => Promise<T>): Promise<T> {
    return this.#inTurn(id, async () => {
      try {
        return await set();
      } catch (error) {
        this.start();
        throw error;
      }
    });
  }

  async #replay(id: string, store: StoreRow, after: Seq): Promise<boolean> {
    const { webhooks } = this.#room.storage;
    const row = await webhooks.get(id);
    const standing = { cursor: after, inactiveReason: null, failures: 0, retryAt: null };
    if (row === null || !(await webhooks.note(id, standing, null))) return false;
    this.#begin({ ...row, ...standing }, store);
    return true;
  }

  /** What says from where a webhook goes on is done one after the other: the last that is answered is what holds. */
  async #inTurn<T>(id: string, set: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(set);
    const over = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(id, over);
    await over;
    if (this.#turns.get(id) === over) this.#turns.delete(id);
    return turn;
  }

  deliveries(id: string, limit: number): Promise<readonly Delivery[]> {
    return this.#room.storage.webhooks.deliveries(id, limit);
  }

  async #resume(): Promise<void> {
    const { storage, clock } = this.#room;
    for (const { id, store } of await storage.webhooks.list('active')) {
      // oxlint-disable-next-line no-await-in-loop -- each begins with a look at its log, so not all of them in one turn
      await new Promise<void>((resolve) => clock.setImmediate(resolve));
      if (this.#isOver) return;
      // oxlint-disable-next-line no-await-in-loop -- the same
      await this.#inTurn(id, async () => {
        const of = await storage.stores.get(store);
        // It may have gone, or gone back, since it was listed.
        const row = await storage.webhooks.get(id);
        if (of !== null && row?.inactiveReason === null) this.#begin(row, of);
      });
    }
  }

  async #reactivate(id: string, store: StoreRow): Promise<void> {
    const former = this.#running.get(id)?.courier;
    const isGivenUp = former !== undefined && former.standing.inactiveReason !== null;
    if (isGivenUp) {
      // That may have yet to be noted, which would then be after this.
      this.#end(id);
      await former.ended;
    }
    const { webhooks } = this.#room.storage;
    const row = await webhooks.get(id);
    if (row === null || (row.inactiveReason === null && !isGivenUp)) return;
    const standing = { cursor: row.cursor, inactiveReason: null, failures: 0, retryAt: null };
    if (await webhooks.note(id, standing, null)) this.#begin({ ...row, ...standing }, store);
  }

  #begin(row: WebhookRow, store: StoreRow): void {
    const former = this.#running.get(row.id)?.courier;
    // One that has just given up is about to end.
    if (this.#isOver || (former !== undefined && former.standing.inactiveReason === null)) return;
    this.#end(row.id);
    const { storage, bus, clock, limits, report } = this.#room;
    const send: CourierRoom['send'] = (to, body, of) => this.#send(to, body, of);
    const attempted: CourierRoom['attempted'] = (standing) =>
      this.#attempted(standing, { id: row.id, store: store.name });
    const room = { storage, clock, limits, report, send, attempted };
    const courier = new Courier(room, row, store);
    const unsubscribe = bus.subscribe(`store.${store.id}`, (bytes) =>
      courier.hint(Number(new TextDecoder().decode(bytes)) || 0),
    );
    this.#running.set(row.id, { courier, unsubscribe });
    const ended = courier.ended.then(() => {
      this.#ending.delete(ended);
      if (this.#running.get(row.id)?.courier === courier) this.#end(row.id);
    });
    this.#ending.add(ended);
  }

  #attempted(
    { failures, inactiveReason }: WebhookStanding,
    { id, store }: { readonly id: string; readonly store: StoreName },
  ): void {
    const { report, counted } = this.#room;
    counted(failures === 0 ? 'delivered' : 'failed');
    if (inactiveReason === null) return;
    counted('given_up');
    // Somebody has to know: it falls behind from now on, and no gauge counts how far.
    report(
      `webhook ${id} of ${store} is inactive; mend its receiver, then ping it`,
      inactiveReason,
    );
  }

  #end(id: string): void {
    const running = this.#running.get(id);
    this.#running.delete(id);
    running?.unsubscribe();
    running?.courier.stop();
  }

  #send(webhook: WebhookRow, content: object, { id, incarnation }: Labels): Promise<Answered> {
    const { clock, storage } = this.#room;
    const body = JSON.stringify(content);
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'Holdfast',
      'Holdfast-Delivery': id,
      'Holdfast-Incarnation': incarnation,
      ...signatureOf(webhook.secret, body, storage.now()),
    };
    const { allowed } = this.#reach;
    const around = { allowed, names: this.#names, clock };
    return post(new URL(webhook.url), { body, headers }, around);
  }
}
