import type {
  EnvelopeTail,
  NodeId,
  StreamOp,
  UploadOp,
  ViewEvent,
  ViewLimits,
} from '@holdfast/protocol/views';
import { jsonBytes } from './tail.ts';
import type { Resets } from './takeovers.ts';

/** What there is of an instance by now. */
export type Held = {
  readonly limits: ViewLimits;
  /** Everything of the streams that are retained, and the configs of uploads. */
  content(): Pick<EnvelopeTail, 'stream_ops' | 'upload_ops'>;
  /** Whether there is such a node. */
  has(node: NodeId): boolean;
  /** Whether the server holds a stream of this node. */
  isRetained(op: StreamOp): boolean;
};

/** What one who lags has not been sent, as far as the tree and what is held do not say it (views.md §11.6). */
export class Skipped {
  readonly #held: Held;
  #streamOps: StreamOp[] = [];
  #uploadOps: readonly UploadOp[] = [];
  #events: readonly ViewEvent[] = [];
  /** What empties that which ended nodes held, by its name. */
  readonly #resets = { streams: new Map<string, StreamOp>(), uploads: new Map<string, UploadOp>() };
  #bytes = 0;

  constructor(held: Held) {
    this.#held = held;
  }

  /** How many bytes of streams it has been, and of what empties: these grow as long as somebody lags. */
  get bytes(): number {
    return this.#bytes;
  }

  add(tail: EnvelopeTail): void {
    const ops = tail.stream_ops.filter((op) => !this.#held.isRetained(op));
    this.#streamOps.push(...ops);
    if (ops.length > 0) this.#bytes += jsonBytes(ops);
    this.#uploadOps = coalesced([...this.#uploadOps, ...tail.upload_ops]);
    this.#events = this.#newest([...this.#events, ...tail.events]);
  }

  /** Nodes have ended: what was said of them is for nobody now, and what they held has to be emptied. */
  end({ streams, uploads, ids }: Resets): void {
    const stays = (op: StreamOp | UploadOp): boolean => !ids.has(JSON.stringify(op.store_id));
    this.#streamOps = this.#streamOps.filter(stays);
    this.#uploadOps = this.#uploadOps.filter(stays);
    this.#note(this.#resets.streams, streams);
    this.#note(this.#resets.uploads, uploads);
  }

  /** What makes up for it, beside the whole tree. */
  madeUp(): Omit<EnvelopeTail, 'ops'> {
    const { streams, uploads } = this.#resets;
    const isThere = (op: StreamOp | UploadOp): boolean => this.#held.has(op.store_id);
    // Streams that are held come as a whole, also those that are only since it was skipped.
    const others = this.#streamOps.filter((op) => !this.#held.isRetained(op));
    const held = this.#held.content().stream_ops;
    return {
      stream_ops: [...[...streams.values()].filter(isThere), ...held, ...others],
      upload_ops: [...[...uploads.values()].filter(isThere), ...this.#uploadOps],
      events: this.#events,
    };
  }

  #note<Op>(known: Map<string, Op>, resets: ReadonlyMap<string, Op>): void {
    for (const [name, op] of resets) {
      if (!known.has(name)) this.#bytes += jsonBytes(op);
      known.set(name, op);
    }
  }

  /** The last events, as many as are kept for one who lags. */
  #newest(events: readonly ViewEvent[]): readonly ViewEvent[] {
    let [bytes, from] = [0, events.length];
    while (from > 0) {
      bytes += jsonBytes(events[from - 1]);
      if (bytes > this.#held.limits.lagged_event_bytes) break;
      from--;
    }
    return events.slice(from);
  }
}

/** Of several progresses of an entry the last one, where it stands. */
function coalesced(ops: readonly UploadOp[]): readonly UploadOp[] {
  return ops.filter((op, index) => {
    if (op.op !== 'progress') return true;
    const later = ops.slice(index + 1);
    return !later.some((next) => next.op === 'progress' && next.ref === op.ref);
  });
}
