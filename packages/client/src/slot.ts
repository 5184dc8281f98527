import type { HoldfastError, OpId, Reason, Request, Seq, StoreName } from '@holdfast/protocol';
import type { Outcome, PendingRequest } from '@holdfast/engine/replica';
import { call, Cell } from './cell.ts';
import type { Settings } from './options.ts';
import type { ReceiptDesk, WriteReceipt } from './receipt.ts';
import type { ConnectionStatus } from './uplink.ts';

/** How a store is doing, for people and consoles (stores.md §18 C24). */
export type StoreStatus = {
  readonly connection: ConnectionStatus['connection'];
  /** The last seq that the replica has. */
  readonly seq: Seq;
  /** Own writes that are not decided yet. */
  readonly pending: number;
  /** Caught up, and nothing pending. */
  readonly synced: boolean;
  readonly incarnation: string | null;
  /** Why the store cannot be used now. */
  readonly error?: HoldfastError;
};

/** An own write that is not decided yet. */
export type OutboxEntry = {
  readonly opId: OpId;
  readonly request: Request;
  readonly state: PendingRequest['status']['state'];
  /** Why it waits: what the server last said of it. */
  readonly reason: Reason | null;
  readonly attempts: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly firstSentAt: number | null;
};

/** The open store in a slot, as those see it who cannot wait for it. */
export interface Tenant extends ReceiptDesk {
  readonly isWriteOnly: boolean;
  readonly isBusy: boolean;
  pending(): readonly PendingRequest[];
  retry(opId: OpId): void;
  describe(): object;
}

/**
 * What a client knows of a store for as long as it lives, whether the store is open or not: the numbers of its own
 * writes, and the signals that handles show.
 */
export class Slot implements ReceiptDesk {
  readonly name: StoreName;
  readonly key: string;
  readonly topic: string;
  readonly status: Cell<StoreStatus>;
  readonly outboxChanges: Cell<null>;
  open: Tenant | null = null;
  readonly #settings: Settings;
  #counter = 0;
  #outbox: readonly OutboxEntry[] | null = [];

  constructor(name: StoreName, settings: Settings) {
    const { report } = settings;
    this.#settings = settings;
    this.name = name;
    this.key = `store/${name}`;
    this.topic = `store:${name}`;
    this.status = new Cell(closedStatus, report);
    this.outboxChanges = new Cell(null, report);
  }

  /** The open store has been closed: what it showed is of the past. */
  closed(): void {
    this.open = null;
    this.status.set({ ...this.status.get(), connection: 'closed', synced: false });
    this.outboxChanged();
  }

  stateOf(opId: OpId): OutboxEntry['state'] | null {
    return this.open?.stateOf(opId) ?? null;
  }

  cancel(opId: OpId): void {
    this.open?.cancel(opId);
  }

  /** Tells how a write ended: its receipt, and `onRejected` where nobody waits for that. */
  settle(receipt: WriteReceipt, outcome: Outcome): void {
    receipt.settle(outcome);
    const { opId, outcome: told } = receipt;
    if (told?.status !== 'refused' || told.details['kept'] === true) return;
    const { error } = told;
    // Who took it back knows.
    if (error.code === 'cancelled') return;
    const { env, onRejected, report } = this.#settings;
    // The caller may read `committed` of what was refused at once.
    env.setTimeout(() => {
      if (receipt.isAwaited) return;
      const request = receipt.request === null ? {} : { request: receipt.request };
      call(() => onRejected({ store: this.name, opId, error, ...request }), report);
    }, 0);
  }

  /** The number of the next own write: dense, so that the server need not remember each (records.md §11.2). */
  nextNumber(): number {
    this.#counter += 1;
    return this.#counter;
  }

  /** The open store has changed something about its unanswered writes. */
  outboxChanged(): void {
    this.#outbox = null;
    this.outboxChanges.notify();
  }

  outbox(): readonly OutboxEntry[] {
    this.#outbox ??= Object.freeze((this.open?.pending() ?? []).map(listed));
    return this.#outbox;
  }
}

/** The status of a store that is not open. */
export const closedStatus: StoreStatus = {
  connection: 'closed',
  seq: 0,
  pending: 0,
  synced: false,
  incarnation: null,
};

function listed({
  opId,
  request,
  status,
  attempts,
  createdAt,
  firstSentAt,
}: PendingRequest): OutboxEntry {
  const reason = status.state === 'waiting' ? status.refusal.code : null;
  return { opId, request, state: status.state, reason, attempts, createdAt, firstSentAt };
}
