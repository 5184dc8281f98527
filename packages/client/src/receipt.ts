import {
  type EpochMs,
  HoldfastError,
  type OpId,
  type Path,
  type Refusal,
  RejectedError,
  type Request,
  type Seq,
  type WriteReply,
  type WriteResult,
} from '@holdfast/protocol';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import type { Outcome, PendingState } from '@holdfast/engine/replica';

/** What a committed write came to. */
export type Commit = {
  /** The seq of its last op. */
  readonly seq: Seq;
  /**
   * Seqs of others' ops on its paths that were ordered between making and committing it; after a snapshot one stands for
   * all that it brought.
   */
  readonly rebasedOver: readonly Seq[];
  /** One for each op of a transaction, in order. */
  readonly results?: readonly WriteResult[];
  /** Of a lease. */
  readonly lease?: {
    readonly token: number;
    readonly expiresAt: EpochMs;
    readonly holder: string | null;
  };
  /** False for a release that found nothing to release. */
  readonly released?: false;
};

/** How a write ended: committed, or refused with the reason, where it lies, and what the rule says of itself. */
export type WriteOutcome =
  | ({ readonly status: 'committed' } & Commit)
  | {
      readonly status: 'refused';
      readonly reason: RejectedError['code'];
      /** The path that was refused. */
      readonly path: Path | null;
      /** The fields of the rule that was broken, such as `limit` or `current_revision`. */
      readonly details: HoldfastError['details'];
      readonly error: RejectedError;
    };

/** Where a write stands. */
export type WriteState = PendingState['state'] | 'committed' | 'refused';

/** A write that has been made: shown already, decided later (design.md, Public API). */
export interface Receipt {
  readonly opId: OpId;
  readonly state: WriteState;
  /** How it ended; null until then. */
  readonly outcome: WriteOutcome | null;
  /** Resolves when a restart of this client loses nothing: it is in the cache, or committed. Rejects with `outbox_failed` where the cache failed. */
  readonly durable: Promise<void>;
  /** Resolves when the server has committed it, rejects when it never will. Made when first read. */
  readonly committed: Promise<Commit>;
  /** Takes it back, if it is certain not to be committed; says whether it was. */
  cancel(): boolean;
}

/** How a request is taken on: not shown before it is committed; and whether somebody may have sent it before. */
export type Asking = { readonly blind?: boolean; readonly wasSent?: boolean };

/** What a receipt asks of the store that its write is in. */
export type ReceiptDesk = {
  stateOf(opId: OpId): PendingState['state'] | null;
  /** Says whether it was taken back. `isLeft`: to another tab, whatever has become of it. */
  cancel(opId: OpId, isLeft?: boolean): boolean;
};

/** The one implementation of {@link Receipt}; its owner settles it. */
export class WriteReceipt implements Receipt {
  readonly opId: OpId;
  readonly request: Request | null;
  /** Whether another tab has the request, too, and sends it again if it is taken back here. */
  readonly isOthers: boolean = false;
  /** Whether it is listed here. */
  isListed = true;
  readonly #desk: ReceiptDesk;
  // Promises are made when they are first asked for: most are not.
  #committed: Deferred<Commit> | null = null;
  #durable: Deferred<void> | null = null;
  #outcome: WriteOutcome | null = null;
  /** Of a commit: at which of its paths others came first. */
  rebasedAt: readonly Path[] = [];
  #isStored = false;
  #isUnstorable = false;

  constructor(of: { opId: OpId; request: Request | null }, desk: ReceiptDesk) {
    this.opId = of.opId;
    this.request = of.request;
    this.#desk = desk;
  }

  get outcome(): WriteOutcome | null {
    return this.#outcome;
  }

  get state(): WriteState {
    return this.#outcome?.status ?? this.#desk.stateOf(this.opId) ?? 'queued';
  }

  get committed(): Promise<Commit> {
    this.#committed ??= deferred<Commit>();
    this.#tell();
    return this.#committed.promise;
  }

  get durable(): Promise<void> {
    this.#durable ??= deferred<void>();
    this.#tell();
    return this.#durable.promise;
  }

  /** Whether the cache has it. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** Whether somebody waits for the outcome and will hear of a refusal. */
  get isAwaited(): boolean {
    return this.#committed !== null;
  }

  cancel(): boolean {
    if (this.#outcome === null) this.#desk.cancel(this.opId);
    return this.#outcome?.status === 'refused' && this.#outcome.reason === 'cancelled';
  }

  /** The cache has it, or cannot have it. */
  stored(isStored: boolean): void {
    this.#isStored ||= isStored;
    this.#isUnstorable = !this.#isStored;
    this.#tell();
  }

  settle(outcome: Outcome): void {
    if (this.#outcome !== null) return;
    if (outcome.status === 'committed') this.rebasedAt = outcome.rebasedAt;
    this.#outcome =
      outcome.status === 'committed'
        ? { status: 'committed', ...commitOf(outcome.reply, outcome.rebasedOver) }
        : refusedBy(outcome.refusal, this.request);
    this.#tell();
  }

  /** Tells those who wait; to tell them again changes nothing. */
  #tell(): void {
    const outcome = this.#outcome;
    if (this.#isStored) this.#durable?.resolve();
    if (outcome === null) {
      if (this.#isUnstorable) this.#durable?.reject(new HoldfastError('outbox_failed'));
      return;
    }
    if (outcome.status === 'refused') {
      this.#committed?.reject(outcome.error);
      this.#durable?.reject(outcome.error);
      return;
    }
    const { status: _, ...commit } = outcome;
    this.#committed?.resolve(commit);
    this.#durable?.resolve();
  }
}

function commitOf(reply: WriteReply, rebasedOver: readonly Seq[]): Commit {
  if ('released' in reply) return { seq: 0, rebasedOver, released: false };
  const { store_seq: seq } = reply;
  if ('results' in reply) return { seq, rebasedOver, results: reply.results };
  if (!('token' in reply)) return { seq, rebasedOver };
  const { token, expires_at: expiresAt, holder = null } = reply;
  if (token === undefined || expiresAt === undefined) return { seq, rebasedOver };
  return { seq, rebasedOver, lease: { token, expiresAt, holder } };
}

function refusedBy(refusal: Refusal, request: Request | null): WriteOutcome {
  const { code: reason, details } = refusal;
  const error = RejectedError.from(refusal);
  return { status: 'refused', reason, path: pathOf(refusal, request), details, error };
}

/** The path that a refusal is about: its own, or that of the op it names. */
function pathOf({ details }: Refusal, request: Request | null): Path | null {
  const { path, op_index: index } = details;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a path in a refusal is one that was checked
  if (typeof path === 'string') return path as Path;
  if (request === null) return null;
  if (request.op !== 'transact') return request.path;
  return typeof index === 'number' ? (request.ops[index]?.path ?? null) : null;
}
