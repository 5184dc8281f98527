import { type ReplicaImage, sharedScope } from '@holdfast/engine/replica';
import type { JoinRequest, Seq, SnapshotReason } from '@holdfast/protocol';
import type { Message } from './snapshot.ts';

/** Events from a cursor, exclusive, to another. */
export type HeardFrame = { readonly from: Seq; readonly to: Seq; readonly message: Message };

const opsMax = 1000;

/** The frames of events that came last, contiguous. */
export class Tail {
  #frames: HeardFrame[] = [];
  /** Up to here the state was another one, though it may have been of the same seq. */
  #end: Seq = -1;

  add(frame: HeardFrame): void {
    if (this.#frames.at(-1)?.to !== frame.from) this.#frames = [];
    this.#frames.push(frame);
    while (frame.to - (this.#frames[0]?.from ?? frame.to) > opsMax) this.#frames.shift();
  }

  /** What was at a seq is replaced: no frame leads from there to what is now. */
  cut(seq: Seq): void {
    this.#frames = [];
    this.#end = seq;
  }

  /** The frames from a cursor to the present; null where they do not reach back. */
  after(seq: Seq, present: Seq): readonly HeardFrame[] | null {
    if (seq <= this.#end) return null;
    const frames = this.#frames.filter(({ to }) => to > seq);
    const first = frames[0]?.from ?? present;
    const isWhole = first <= seq && (frames.at(-1)?.to ?? seq) === present;
    return isWhole ? frames : null;
  }
}

/** Why a channel gets a snapshot; null: the tail does (stores.md §10.1.1). */
export function reasonFor(
  request: JoinRequest,
  has: {
    readonly image: ReplicaImage;
    readonly scope: string;
    readonly tail: readonly HeardFrame[] | null;
  },
): SnapshotReason | null {
  const { image, scope, tail } = has;
  const { lastSeq, incarnation, seed } = request;
  if (lastSeq === 0 && image.seq === 0) return null;
  if (lastSeq === 0) return 'fresh';
  // Only the server knows whether it is one; here nothing goes over the wire for it.
  if (seed !== null) return 'fresh';
  if (incarnation !== image.incarnation) return 'incarnation';
  // It is of another leader, or of another part of it: that says nothing of what may be read.
  const isShared = [scope, request.scope].some((each) => each?.startsWith(sharedScope) === true);
  if (hashIn(request.scope) !== hashIn(scope)) return isShared ? 'behind' : 'scope';
  if (lastSeq > image.seq) return 'ahead';
  return tail === null ? 'behind' : null;
}

/** A scope without what the server knows by it of a client, which is another one with each that leads. */
function hashIn(scope: string | null): string | undefined {
  return scope?.split('~')[0];
}
