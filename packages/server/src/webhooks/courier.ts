import type { Limits, Seq } from '@holdfast/protocol';

import type { Delivery, Storage, StoreRow, WebhookRow, WebhookStanding } from '../storage/port.ts';
import { type Filter, filterOf, gap, type Message } from './message.ts';
import type { Answered } from './post.ts';
import { deliveryId } from './signature.ts';

/** Waits before the second attempt and so on; after the fifth nothing is tried any more (stores.md §17.4). */
const RETRIES_MS = [60_000, 300_000, 1_800_000, 7_200_000];
/** A lost hint costs so much time at most; and so late is noted how far a webhook has come that nothing matched. */
const POLL_MS = 60_000;
/** After trouble with the storage. */
export const REST_MS = 5000;
/**
 * So many ops are looked at first, and twice as many each time that nothing matched: what lies behind the next to be
 * delivered is read again for the one after it.
 */
const FIRST_OPS = 16;
const OPS_MAX = 256;
const BYTES_MAX = 1024 * 1024;

/** What goes beside a body. */
export type Labels = {
  /** The same for each attempt to deliver the same. */
  readonly id: string;
  /** Of the store; another where seqs begin to count other ops, as after a restore. */
  readonly incarnation: string;
};

/** What a courier needs of the server. */
export type CourierRoom = {
  readonly storage: Pick<Storage, 'read' | 'open' | 'webhooks' | 'now'>;
  readonly clock: {
    setTimeout(run: () => void, ms: number): unknown;
    clearTimeout(handle: unknown): void;
    setImmediate(run: () => void): void;
  };
  readonly send: (webhook: WebhookRow, body: object, labels: Labels) => Promise<Answered>;
  readonly limits: Limits;
  /** An attempt is over, and this is what it left behind. */
  readonly attempted: (standing: WebhookStanding) => void;
  readonly report: (what: string, error: unknown) => void;
};

/**
 * Brings one webhook what it wants to hear (stores.md §17).
 *
 *     reading ── a match ──▶ sending ── 2xx ──▶ reading
 *        ▲  └── the end of the log ──▶ asleep      │ failed
 *        └──────── its time has come ◀── waiting ◀─┴── the fifth in a row ──▶ ended
 *
 * 1. In the order of seqs, one at a time: the next is looked for when the one before has been noted.
 * 2. What was answered with 2xx is not sent again: the cursor moves before anything else is done.
 * 3. Nothing is remembered but what is noted: what is to be retried is read from the log again.
 */
export class Courier {
  readonly #room: CourierRoom;
  readonly #store: Pick<StoreRow, 'name' | 'incarnation'>;
  readonly #filter: Filter;
  #row: WebhookRow;
  /** The cursor that is stored. */
  #noted: Seq;
  #isOver = false;
  /** The last seq of the log, as far as it is known. */
  #head: Seq;
  /** The log has grown since it was read. */
  #hasMore = false;
  /** Ends the sleep that goes on now; null where none does. */
  #waken: ((why: 'hint' | 'time' | 'stop') => void) | null = null;
  /** Resolves when nothing is under way any more. */
  readonly ended: Promise<void>;

  constructor(room: CourierRoom, row: WebhookRow, store: Pick<StoreRow, 'name' | 'incarnation'>) {
    this.#room = room;
    this.#row = row;
    this.#store = store;
    this.#noted = row.cursor;
    this.#head = row.cursor;
    this.#filter = filterOf(row, store.name, room.limits);
    this.ended = this.#run();
  }

  /** How far it has come. */
  get standing(): WebhookStanding {
    const { cursor, inactiveReason, failures, retryAt } = this.#row;
    return { cursor, inactiveReason, failures, retryAt };
  }

  /** How many ops it has not come to yet. */
  get lag(): number {
    return Math.max(0, this.#head - this.#row.cursor);
  }

  /** The log has grown, perhaps, and to this seq. */
  hint(head: Seq): void {
    this.#head = Math.max(this.#head, head);
    this.#hasMore = true;
    this.#waken?.('hint');
  }

  /** Ends when what is being sent is answered. */
  stop(): void {
    this.#isOver = true;
    this.#waken?.('stop');
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one at a time
        await this.#step();
      } catch (error) {
        this.#room.report('a webhook has to wait for the storage', error);
        // oxlint-disable-next-line no-await-in-loop -- one at a time
        await this.#sleep(REST_MS, false);
      }
    }
    await this.#save().catch((error: unknown) =>
      this.#room.report('how far a webhook has come was not noted', error),
    );
  }

  async #step(): Promise<void> {
    if (this.#row.inactiveReason !== null) {
      // That it was given up could not be noted at first.
      await this.#note(null);
      this.#attempted();
      return;
    }
    const wait = this.#wait();
    if (wait > 0) {
      const why = await this.#sleep(wait, false);
      if (why === 'time') this.#row = { ...this.#row, retryAt: null };
      return;
    }
    const message = await this.#next();
    if (this.#isOver) return;
    if (message !== null) await this.#deliver(message);
    else if ((await this.#sleep(POLL_MS, true)) === 'time') await this.#save();
  }

  /** Until the next attempt; never longer than was meant, however far the wall clock has been set back meanwhile. */
  #wait(): number {
    const { retryAt, failures } = this.#row;
    if (retryAt === null) return 0;
    return Math.min(retryAt - this.#room.storage.now(), RETRIES_MS[failures - 1] ?? 0);
  }

  /** The next to be delivered; null at the end of the log. What does not match is passed in silence. */
  async #next(): Promise<Message | null> {
    const { storage, clock } = this.#room;
    for (let count = FIRST_OPS; ; count = Math.min(2 * count, OPS_MAX)) {
      this.#hasMore = false;
      const { cursor, store } = this.#row;
      // oxlint-disable-next-line no-await-in-loop -- part by part
      const ops = await storage.read(store, cursor, { ops: count, bytes: BYTES_MAX });
      const first = ops[0]?.seq ?? (await this.#oldest());
      this.#head = Math.max(this.#head, ops.at(-1)?.seq ?? 0);
      if (first > cursor + 1) return gap(this.#store.name, cursor + 1, first - 1);
      if (ops.length === 0 || this.#isOver) return null;
      for (const op of ops) {
        const message = this.#filter(op);
        if (message !== null) return message;
        this.#row = { ...this.#row, cursor: op.seq };
      }
      // oxlint-disable-next-line no-await-in-loop -- others want their turn
      await new Promise<void>((resolve) => clock.setImmediate(resolve));
    }
  }

  /** The first seq that the log retains, or would. */
  async #oldest(): Promise<Seq> {
    const standing = await this.#room.storage.open(this.#row.store);
    if (standing === null) this.#isOver = true;
    return standing?.oldestSeq ?? 0;
  }

  async #deliver({ seq, body }: Message): Promise<void> {
    // Where a backup is restored, other ops have the same seqs; whoever skips ids that it has seen is to hear of them.
    const { incarnation } = this.#store;
    const id = deliveryId(this.#row.id, `${incarnation} ${seq}`);
    const at = this.#room.storage.now();
    const answered = await this.#room.send(this.#row, body, { id, incarnation });
    const standing = answered.error === null ? delivered(seq) : this.#failed(answered.error);
    this.#row = { ...this.#row, ...standing };
    await this.#note({ id, seq, at, ...answered });
    this.#attempted();
  }

  #attempted(): void {
    const { standing } = this;
    if (standing.inactiveReason !== null) this.#isOver = true;
    this.#room.attempted(standing);
  }

  #failed(error: string): WebhookStanding {
    const { cursor, failures: before } = this.#row;
    const failures = before + 1;
    const wait = RETRIES_MS[before];
    return {
      cursor,
      failures,
      retryAt: wait === undefined ? null : this.#room.storage.now() + wait,
      inactiveReason:
        wait === undefined ? `${failures} attempts failed in a row; the last: ${error}` : null,
    };
  }

  /** Notes a cursor that has moved in silence. */
  async #save(): Promise<void> {
    if (this.#row.cursor !== this.#noted) await this.#note(null);
  }

  async #note(delivery: Delivery | null): Promise<void> {
    const { standing } = this;
    const isThere = await this.#room.storage.webhooks.note(this.#row.id, standing, delivery);
    if (isThere) this.#noted = standing.cursor;
    else this.#isOver = true;
  }

  /** Sleeps for a time, or until it is stopped, or hears of more. */
  async #sleep(ms: number, untilMore: boolean): Promise<'hint' | 'time' | 'stop'> {
    if (this.#isOver) return 'stop';
    if (untilMore && this.#hasMore) return 'hint';
    const { clock } = this.#room;
    const why = await new Promise<'hint' | 'time' | 'stop'>((resolve) => {
      const timer = clock.setTimeout(() => resolve('time'), ms);
      this.#waken = (reason) => {
        if (reason === 'hint' && !untilMore) return;
        clock.clearTimeout(timer);
        resolve(reason);
      };
    });
    this.#waken = null;
    return why;
  }
}

function delivered(cursor: Seq): WebhookStanding {
  return { cursor, failures: 0, retryAt: null, inactiveReason: null };
}
