import type { UploadConfig, UploadFault, UploadOp } from '@holdfast/protocol/views';
import type { UploadDefinition, ViewContext } from '../definition.ts';
import type { Audience } from './audience.ts';
import type { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';
import type { Scope } from './scope.ts';
import type { InstanceEffect } from './types.ts';
import { addOp, addressOf, type Entry, itemOf } from './upload-entry.ts';
import type { World } from './world.ts';

/*
 * The files that subscribers bring (views.md §10). Their bytes are the host's business; here is what is known of them and
 * who is told.
 *
 *             allowed              progress                100 %, verified
 *   (wished) ────────▶ pending ──────────────▶ uploading ─────────────────▶ success ──▶ consumed: gone
 *                         └──────── failed ────────┴──▶ error        cancelled from anywhere: gone
 *
 * U1  Requests are answered before what they cause is told, and wait for no command.
 * U2  Of an entry that is gone its transfer is gone, too: `discard`.
 */

/** What uploads ask of the rest of the instance. */
export type UploadHost = {
  readonly world: World;
  readonly audience: Audience;
  readonly enter: (run: () => void) => void;
  /** Tells everybody, with the next envelope. */
  readonly tell: (ops: readonly UploadOp[]) => void;
};

/** An upload of a node. */
export type Place = {
  readonly node: ViewNode;
  readonly upload: string;
  readonly definition: UploadDefinition;
};

/** An entry, or all of them, of which there is no more. */
type Gone = { readonly op: UploadOp; readonly at: number };

/** So long a socket may have been dead before anybody knows. */
const silentMs = 120_000;
/** So many are remembered, the last ones: who cancels again and again fills nothing up. */
const goneMax = 1000;

/** The files that are known, what becomes of them, and who hears of it. */
export class UploadBook {
  readonly #host: UploadHost;
  /** In the order of their coming. */
  readonly #entries = new Map<string, Entry>();
  /** In a shared view: what is gone, of which subscribers may not have heard. */
  readonly #gone = new Map<number, readonly Gone[]>();

  constructor(host: UploadHost) {
    this.#host = host;
  }

  get(ref: string): Entry | undefined {
    return this.#entries.get(ref);
  }

  /** Keeps a place for a file; nobody knows of it yet. */
  reserve(entry: Entry): void {
    this.#entries.set(entry.ref, entry);
    const { ref, owner, wish } = entry;
    this.#host.world.ports.uploads.reserved?.(owner.subscriber, ref, wish.size);
  }

  /** It was not let in after all. */
  release(entry: Entry): void {
    if (this.#entries.get(entry.ref) === entry) this.#remove(entry);
  }

  /** The entries of one subscriber, and what it may have missed of those that are gone. */
  opsOf(subscriber: number): readonly UploadOp[] {
    return [
      ...this.#missedBy(subscriber).map(({ op }) => op),
      ...this.#ofSubscriber(subscriber)
        .filter(({ isOpen }) => isOpen)
        .map(addOp),
    ];
  }

  nodeEnded(node: ViewNode): void {
    for (const entry of this.#entries.values()) if (entry.node === node) this.#remove(entry);
  }

  subscriberGone(subscriber: number): void {
    for (const entry of this.#ofSubscriber(subscriber)) this.#remove(entry);
    this.#gone.delete(subscriber);
  }

  /** In shared scope a caller's own (views.md §10.5). */
  visible({ node, upload }: Place, { caller }: Scope): readonly Entry[] {
    return [...this.#entries.values()].filter(
      (entry) =>
        entry.isOpen &&
        entry.node === node &&
        entry.upload === upload &&
        !entry.isTaken &&
        (caller === null || entry.owner.subscriber === caller.subscriber),
    );
  }

  /** How many files a subscriber has there; one that failed makes room for another. */
  tracked({ node, upload }: Place, subscriber: number): number {
    return this.#ofSubscriber(subscriber).filter(
      (entry) => entry.node === node && entry.upload === upload && entry.status !== 'error',
    ).length;
  }

  /** It is let in: its bytes may come. */
  open(entry: Entry, config: UploadConfig): void {
    entry.isOpen = true;
    const { ref, owner, upload, node, mode, definition } = entry;
    const { subscriber } = owner;
    const address = { store_id: node.storeId, name: upload };
    const target = { ref, subscriber, address, config, definition, item: itemOf(entry), mode };
    this.#host.world.ports.perform({ type: 'opened', target });
  }

  /** Ops of a subscriber's own entries: in shared scope it alone is told (views.md §5.4). */
  tell(subscriber: number, ops: readonly UploadOp[]): void {
    const { world, audience } = this.#host;
    if (ops.length === 0) return;
    if (!world.isShared) {
      this.#host.tell(ops);
      return;
    }
    const at = world.ports.now();
    const gone = ops
      .filter(({ op }) => op === 'cancel' || op === 'reset')
      .map((op) => ({ op, at }));
    if (gone.length > 0) {
      this.#gone.set(subscriber, [...this.#missedBy(subscriber), ...gone].slice(-goneMax));
    }
    if (audience.isAway(subscriber)) return;
    audience.sendPrivately(subscriber, { upload_ops: ops, events: [] });
  }

  /** No log has it, and who comes back was away for `linger` at most, and without a word for a while before. */
  #missedBy(subscriber: number): readonly Gone[] {
    const { ports, config } = this.#host.world;
    const since = ports.now() - (config.view.linger ?? config.limits.linger_ms) - silentMs;
    return (this.#gone.get(subscriber) ?? []).filter(({ at }) => at >= since);
  }

  #tellOf(entry: Entry, ...ops: readonly UploadOp[]): void {
    this.tell(entry.owner.subscriber, ops);
  }

  /** So much of it is there. */
  received(entry: Entry | undefined, progress: number): void {
    if (entry === undefined || !this.isActive(entry)) return;
    entry.progress = progress;
    if (progress < 100) {
      entry.status = 'uploading';
      this.#showProgress(entry);
      return;
    }
    entry.status = 'success';
    this.#over(entry, 'complete');
    const address = { ...addressOf(entry), ref: entry.ref };
    this.#tellOf(entry, { op: 'progress', ...address, progress }, { op: 'complete', ...address });
    this.#hook(entry, 'onComplete');
  }

  /** Whether anything can still become of it. */
  isActive(entry: Entry): boolean {
    const isKnown = this.#entries.get(entry.ref) === entry;
    return isKnown && (entry.status === 'pending' || entry.status === 'uploading');
  }

  /** The first at once, the last when the window ends (views.md §10.2). */
  #showProgress(entry: Entry): void {
    const { ports, alarms, config } = this.#host.world;
    const now = ports.now();
    if (now < entry.quietUntil) {
      if (entry.isQuiet) return;
      entry.isQuiet = true;
      alarms.set(entry.quietUntil, () => {
        entry.isQuiet = false;
        if (this.isActive(entry)) this.#showProgress(entry);
      });
      return;
    }
    entry.quietUntil = now + config.limits.progress_ms;
    const { ref, progress } = entry;
    this.#tellOf(entry, { op: 'progress', ...addressOf(entry), ref, progress });
    this.#hook(entry, 'onProgress');
  }

  /** It comes to nothing, and stays as a failure. */
  fail(entry: Entry, error: UploadFault): void {
    if (!this.isActive(entry)) return;
    entry.status = 'error';
    entry.errors.push(error);
    this.#over(entry, 'broken');
    this.#discard(entry);
    this.#tellOf(entry, { op: 'error', ...addressOf(entry), ref: entry.ref, error });
    this.#forgetFailures(entry);
    const { onError } = entry.definition;
    if (onError === undefined) return;
    this.#task(entry, 'onError', (ctx) => onError(ctx, itemOf(entry), error));
  }

  /** As many are remembered as there may be files, the last ones: who fails again and again fills nothing up. */
  #forgetFailures({ node, upload, owner, definition: { maxEntries = 1 } }: Entry): void {
    const failed = this.#ofSubscriber(owner.subscriber).filter(
      (entry) => entry.node === node && entry.upload === upload && entry.status === 'error',
    );
    for (const old of failed.slice(0, -maxEntries)) this.cancel(old);
  }

  /** A task has taken these: they are hidden, gone once it is committed, and there again where it never is (views.md §7.2). */
  take(layer: Layer, entries: readonly Entry[], gone: () => void): void {
    if (entries.length === 0) return;
    for (const entry of entries) entry.isTaken = true;
    const back = (): void => giveBack(entries);
    // What one alone is told comes after the reply and what all are told (§5.4), the rest with that.
    if (this.#host.world.isShared) layer.whenCommitted(gone, back);
    else layer.cells.add({ refresh: () => undefined, settle: gone, drop: back });
  }

  /** It is taken back. */
  cancel(entry: Entry): void {
    if (this.#entries.get(entry.ref) !== entry) return;
    this.#remove(entry);
    this.#tellOf(entry, cancelOp(entry));
  }

  #over(
    { wish, since }: Entry,
    outcome: Extract<InstanceEffect, { type: 'uploaded' }>['outcome'],
  ): void {
    const { ports } = this.#host.world;
    ports.perform({ type: 'uploaded', bytes: wish.size, ms: ports.now() - since, outcome });
  }

  #remove(entry: Entry): void {
    if (entry.isOpen && this.isActive(entry)) this.#over(entry, 'cancelled');
    this.#entries.delete(entry.ref);
    if (entry.status !== 'error') this.#discard(entry);
  }

  #discard({ ref }: Entry): void {
    this.#host.world.ports.perform({ type: 'discard', ref });
  }

  #hook(entry: Entry, name: 'onProgress' | 'onComplete'): void {
    const hook = entry.definition[name];
    if (hook !== undefined) this.#task(entry, name, (ctx) => hook(ctx, itemOf(entry)));
  }

  #task(entry: Entry, where: string, run: (ctx: ViewContext) => unknown): void {
    const { node, owner } = entry;
    this.#host.world.enqueue({ node, where, run, caller: owner });
  }

  #ofSubscriber(subscriber: number): readonly Entry[] {
    return [...this.#entries.values()].filter(({ owner }) => owner.subscriber === subscriber);
  }

  /** Told by `cancel`, or by one `reset` where none is left (views.md §10.5). */
  consumed(place: Place, consumed: readonly Entry[]): void {
    const there = consumed.filter((entry) => this.#entries.get(entry.ref) === entry);
    for (const entry of there) this.#remove(entry);
    for (const subscriber of new Set(there.map(({ owner }) => owner.subscriber))) {
      const own = there.filter(({ owner }) => owner.subscriber === subscriber);
      const rest = this.#ofSubscriber(subscriber).filter(
        ({ node, upload }) => node === place.node && upload === place.upload,
      );
      const cancels = own.map(cancelOp);
      this.tell(subscriber, rest.length === 0 ? [{ op: 'reset', ...addressOf(place) }] : cancels);
    }
  }
}

/** They are there as before. */
export function giveBack(entries: readonly Entry[]): void {
  for (const entry of entries) entry.isTaken = false;
}

function cancelOp(entry: Entry): UploadOp {
  return { op: 'cancel', ...addressOf(entry), ref: entry.ref };
}
