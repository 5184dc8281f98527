import type { LoggedOp } from '@holdfast/engine/authority';
import type { EpochMs, Seq } from '@holdfast/protocol';
import type { Meters } from '../metrics/index.ts';
import type { Storage, StoreRow } from '../storage/port.ts';
import { settledOf } from '../storage/settled.ts';
import type { Clock } from './clock.ts';
import type { Stores } from './stores.ts';

/** How long ops stay in the log (stores.md §13.1.1). */
export type LogRetention = {
  /** An op stays at least so long; milliseconds. Default: 30 days. */
  readonly ms: number;
  /** And the last so many of each store stay. Default: 10,000. */
  readonly ops: number;
};

/** How long ops stay in the log of all stores, and of some. */
export type Retention = LogRetention & {
  /** What is otherwise for a store, by its full name; asked anew each time its log is looked at, every ten minutes or so. */
  readonly of?: ((store: string) => Partial<LogRetention> | undefined) | undefined;
};

/** What applies where nothing else is said. */
export const defaultRetention: LogRetention = { ms: 30 * 86_400_000, ops: 10_000 };

type CompactorRoom = {
  readonly storage: Storage;
  readonly stores: Pick<Stores, 'peek'>;
  readonly clock: Clock;
  readonly meters: Meters;
  readonly report: (what: string, error: unknown) => void;
};

/** The retention in force; a figure that is no positive integer is an error of the caller. */
export function retentionOf({ of, ...overrides }: Partial<Retention> = {}): Retention {
  if (of !== undefined && typeof of !== 'function') {
    throw new TypeError('retention.of is no function of the name of a store.');
  }
  return { ...figuresOf(overrides, defaultRetention), of };
}

function figuresOf(overrides: Partial<LogRetention>, others: LogRetention): LogRetention {
  for (const [name, figure] of Object.entries(overrides)) {
    if (!Object.hasOwn(defaultRetention, name)) throw new TypeError(`retention has no "${name}".`);
    if (Number.isSafeInteger(figure) && figure > 0) continue;
    throw new RangeError(`retention.${name} is ${figure}; it must be a positive integer.`);
  }
  return { ...others, ...overrides };
}

/** Soon after the start: a process that is ended every few minutes would forget nothing, ever. */
const FIRST_MS = 30_000;
const INTERVAL_MS = 10 * 60_000;
/**
 * Rows per transaction: writes wait for one such step at most (stores.md §13.1.2). So few cost less than a commit of the
 * writers does; where the log grows faster, steps take twice what came meanwhile, so that it keeps up.
 */
const STEP = 64;
const LARGEST_STEP = 1000;
/** And of large ops fewer: a step is read whole, in one turn of the event loop. */
const STEP_BYTES = 4 * 1024 * 1024;
/** How much longer than a step the rest after it is. */
const RESTS = 3;
const STORES_PER_PAGE = 100;
/** Of a store in a row; then others have their turn. */
const STEPS_PER_TURN = 16;
const OWED_MAX = STEPS_PER_TURN * LARGEST_STEP;
/** How much longer an op stays for webhooks that have not come so far. */
const WEBHOOK_GRACE_MS = 7 * 86_400_000;

/** A store whose log is being compacted. */
type Work = {
  readonly row: StoreRow;
  /** The first op that it retained at the last look. */
  oldest: Seq;
  /** Its head at the last look; null before the first. */
  head: Seq | null;
  /** Twice what came since the first look, less what was forgotten since. */
  owed: number;
};

/**
 * Forgets the ops that are old enough, a few at a time, in the background. Stores take turns: one that has millions to forget
 * takes hours, in which the logs of all others would grow.
 */
export class Compactor {
  readonly #room: CompactorRoom;
  readonly #retention: Retention;
  /** By a clock that has just been put ahead nothing is old: what is forgotten does not come back when it is right. */
  readonly #settled: () => Promise<EpochMs>;
  #timer: unknown = null;
  #stopped = false;
  /** The stores that had more to forget when their turn was over. */
  readonly #behind = new Map<string, Work>();

  constructor(room: CompactorRoom, retention: Retention) {
    this.#room = room;
    this.#retention = retention;
    const { storage, clock } = room;
    this.#settled = settledOf(storage, {
      now: () => storage.now(),
      monotonic: () => clock.now(),
    });
    this.#arm(FIRST_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#room.clock.clearTimeout(this.#timer);
  }

  #arm(afterMs: number): void {
    this.#timer = this.#room.clock.setTimeout(() => void this.#sweep(), afterMs);
  }

  async #sweep(): Promise<void> {
    const { clock } = this.#room;
    const due = clock.now() + INTERVAL_MS;
    await this.#all().catch((error: unknown) => this.#failed(error));
    while (!this.#stopped && clock.now() < due) {
      // Who has had a turn comes last.
      const [first] = this.#behind.values();
      if (first === undefined) break;
      // oxlint-disable-next-line no-await-in-loop -- one store at a time, for the disk is everyone's
      await this.#takeTurn(first.row);
    }
    // Others may be behind by now as well.
    if (!this.#stopped) this.#arm(this.#behind.size > 0 ? 0 : INTERVAL_MS);
  }

  async #all(): Promise<void> {
    const { stores } = this.#room.storage;
    // Whatever there is to forget: a clock that nobody looks at has not been seen to stand.
    await this.#settled();
    let page = await stores.list({ limit: STORES_PER_PAGE });
    while (page.length > 0 && !this.#stopped) {
      for (const row of page) {
        // oxlint-disable-next-line no-await-in-loop -- one store at a time, for the disk is everyone's
        await this.#takeTurn(row);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < STORES_PER_PAGE) return;
      // What reads answer is there at once: without this, thousands of stores would be one turn of the event loop.
      // oxlint-disable-next-line no-await-in-loop -- page by page
      await new Promise<void>((resolve) => this.#room.clock.setImmediate(resolve));
      // oxlint-disable-next-line no-await-in-loop -- page by page
      page = await stores.list({ after: last.name, limit: STORES_PER_PAGE });
    }
  }

  /** A store whose log is damaged is no reason to keep that of all others for ever. */
  async #takeTurn(row: StoreRow): Promise<void> {
    const { id, name } = row;
    const work = this.#behind.get(id) ?? { row, oldest: 0, head: null, owed: 0 };
    this.#behind.delete(id);
    try {
      const { of, ...all } = this.#retention;
      const isDone = await this.#compact(work, figuresOf(of?.(name) ?? {}, all));
      if (!isDone) this.#behind.set(id, work);
    } catch (error) {
      this.#failed(new Error(`The log of ${name} could not be compacted.`, { cause: error }));
    }
  }

  #failed(error: unknown): void {
    if (!this.#stopped) this.#room.report('compaction failed', error);
  }

  /** Forgets what one turn is enough for; whether that was all. */
  async #compact(work: Work, retention: LogRetention): Promise<boolean> {
    const { storage, stores, clock, meters } = this.#room;
    const { id } = work.row;
    let steps = 0;
    let through = await this.#next(work, retention);
    for (; through !== null && steps < STEPS_PER_TURN && !this.#stopped; steps += 1) {
      const since = clock.now();
      // oxlint-disable-next-line no-await-in-loop -- step by step
      const oldest = await storage.compact(id, through, LARGEST_STEP);
      const took = clock.now() - since;
      meters.compactionTime.observeMs(took);
      meters.compactedOps.add(oldest - work.oldest);
      work.owed = Math.max(0, work.owed - (oldest - work.oldest));
      // oxlint-disable-next-line no-await-in-loop -- writes come first
      await this.#rest(took);
      // oxlint-disable-next-line no-await-in-loop -- step by step
      through = await this.#next(work, retention);
    }
    if (steps > 0) await stores.peek(id)?.refresh();
    return through === null;
  }

  /** Leaves the disk to the writers for some multiple of the time that it was taken. */
  #rest(tookMs: number): Promise<void> {
    const { clock } = this.#room;
    return new Promise((resolve) => clock.setTimeout(resolve, Math.ceil(RESTS * tookMs)));
  }

  /** The last op of the next step; null where nothing is old enough. */
  async #next(work: Work, retention: LogRetention): Promise<Seq | null> {
    const { storage } = this.#room;
    const store = work.row.id;
    const standing = await storage.open(store);
    if (standing === null) return null;
    const { head, oldestSeq } = standing;
    work.owed = Math.min(OWED_MAX, work.owed + 2 * (head - (work.head ?? head)));
    work.oldest = oldestSeq;
    work.head = head;
    const step = Math.min(LARGEST_STEP, Math.max(STEP, work.owed));
    const most = head - retention.ops;
    if (oldestSeq > most) return null;
    const before = (await this.#settled()) - retention.ms;
    const told = await this.#told(store);
    let through: Seq | null = null;
    const ops = await storage.read(store, oldestSeq - 1, { ops: step, bytes: STEP_BYTES });
    const timeOf = await this.#timesIn(store, ops, head);
    for (const op of ops) {
      const at = timeOf(op);
      if (at > before || op.seq > most) break;
      if (op.seq > told && at > before - WEBHOOK_GRACE_MS) break;
      through = op.seq;
    }
    return through;
  }

  /** When ops were written at the latest: a clock that was ahead when the first of them was may be right by now. */
  async #timesIn(
    store: string,
    [first]: readonly LoggedOp[],
    head: Seq,
  ): Promise<(op: LoggedOp) => EpochMs> {
    const now = this.#room.storage.now();
    const isAhead = first !== undefined && first.at > now;
    const after = isAhead ? await this.#pastAhead(store, first.seq, head) : null;
    return ({ seq, at }) => (after !== null && at > now && seq < after.seq ? after.at : at);
  }

  /**
   * An op behind those that a clock dated ahead of time which was put right since: they are at least as old as that one. Null
   * where none has come since.
   */
  async #pastAhead(store: string, oldest: Seq, head: Seq): Promise<LoggedOp | null> {
    const { storage } = this.#room;
    let found: LoggedOp | null = null;
    for (let [ahead, end] = [oldest, head]; ahead < end;) {
      const middle = Math.ceil((ahead + end) / 2);
      // oxlint-disable-next-line no-await-in-loop -- each look says where the next one is
      const [op] = await storage.read(store, middle - 1, { ops: 1, bytes: STEP_BYTES });
      if (op === undefined) return null;
      if (op.at > storage.now()) ahead = middle;
      else {
        found = op;
        end = middle - 1;
      }
    }
    return found;
  }

  /** How far every active webhook of the store has come. */
  async #told(store: string): Promise<Seq> {
    const webhooks = await this.#room.storage.webhooks.list({ store });
    const active = webhooks.filter(({ inactiveReason }) => inactiveReason === null);
    return Math.min(Infinity, ...active.map(({ cursor }) => cursor));
  }
}
