import { isObject, type Json } from '../../json.ts';
import { isCount, isInteger, isString } from '../../shape.ts';
import { isNodeId, type NodeId } from './tree.ts';
import { isUploadOp, type UploadOp } from './uploads.ts';

/** One change of the wire tree: the three ops of RFC 6902 that are used (views.md §6.1). */
export type PatchOp =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: Json }
  | { readonly op: 'remove'; readonly path: string };

/** One change of a stream's list (views.md §8.1). */
export type StreamOp = {
  readonly stream: string;
  readonly store_id: NodeId;
  /** Counts the streams of a node by first use; clients ignore it. */
  readonly ref: string;
} & (
  | { readonly op: 'reset' }
  | { readonly op: 'delete'; readonly item_key: string }
  | {
      readonly op: 'insert';
      readonly item_key: string;
      readonly at: number;
      readonly item: Json;
      readonly limit: number | null;
    }
);

/** Something a node says once (views.md §9). */
export type ViewEvent = {
  readonly store_id: NodeId;
  readonly name: string;
  readonly payload: Json;
};

/** What an envelope holds beside its address: the same for all subscribers (views.md §5.5). */
export type EnvelopeTail = {
  readonly ops: readonly PatchOp[];
  readonly stream_ops: readonly StreamOp[];
  readonly upload_ops: readonly UploadOp[];
  readonly events: readonly ViewEvent[];
};

/** The payload of `patch` (views.md §5.1). */
export type Envelope = {
  readonly type: 'patch';
  readonly root_id: string;
  readonly base_version: number;
  readonly version: number;
} & EnvelopeTail;

/** An envelope whose upload ops nobody has looked at. */
export type HeardEnvelope = Omit<Envelope, 'upload_ops'> & {
  readonly upload_ops: readonly unknown[];
};

/**
 * Reads the payload of `patch`; null: it is malformed (views.md §5.1). Upload ops that are not known are left out; an op
 * of another kind that is not known spoils the envelope.
 */
export function readEnvelope(payload: unknown): Envelope | null {
  const heard = hearEnvelope(payload);
  return heard && { ...heard, upload_ops: heard.upload_ops.filter(isUploadOp) };
}

/** The same, with all that is said of uploads: for who reads that later, or never. */
export function hearEnvelope(payload: unknown): HeardEnvelope | null {
  if (!isObject(payload) || payload['type'] !== 'patch') return null;
  const { root_id: root, base_version: base, version, ops, stream_ops: streamOps } = payload;
  const { upload_ops: uploadOps = [], events = [] } = payload;
  if (!isString(root) || !isCount(base) || !isCount(version)) return null;
  if (!isListOf(ops, isPatchOp) || !isListOf(streamOps, isStreamOp)) return null;
  if (!Array.isArray(uploadOps) || !isListOf(events, isViewEvent)) return null;
  return {
    type: 'patch',
    root_id: root,
    base_version: base,
    version,
    ops,
    stream_ops: streamOps,
    upload_ops: uploadOps,
    events,
  };
}

function isListOf<T>(list: unknown, isItem: (item: unknown) => item is T): list is readonly T[] {
  return Array.isArray(list) && list.every(isItem);
}

function isPatchOp(op: unknown): op is PatchOp {
  if (!isObject(op) || !isString(op['path'])) return false;
  if (op['op'] === 'remove') return true;
  return (op['op'] === 'add' || op['op'] === 'replace') && op['value'] !== undefined;
}

function isStreamOp(op: unknown): op is StreamOp {
  if (!isObject(op) || !isString(op['stream']) || !isNodeId(op['store_id'])) return false;
  if (op['op'] === 'reset') return true;
  if (!isString(op['item_key'])) return false;
  if (op['op'] === 'delete') return true;
  const { at, item, limit = null } = op;
  const isPlaced = isInteger(at) && (limit === null || isInteger(limit));
  return op['op'] === 'insert' && isPlaced && item !== undefined;
}

function isViewEvent(event: unknown): event is ViewEvent {
  return isObject(event) && isNodeId(event['store_id']) && isString(event['name']);
}

/** The first part of an envelope's JSON text; {@link tailText} is the other one (views.md §5.5). */
export function headText(rootId: string, base: number, version: number): string {
  const root = JSON.stringify(rootId);
  return `{"type":"patch","root_id":${root},"base_version":${base},"version":${version},`;
}

/** The second part of an envelope's JSON text: encoded once, sent to everybody (views.md §5.5). */
export function tailText({ ops, stream_ops, upload_ops, events }: EnvelopeTail): string {
  return JSON.stringify({ ops, stream_ops, upload_ops, events }).slice(1);
}
