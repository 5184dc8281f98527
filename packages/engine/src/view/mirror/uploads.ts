import type { UploadEntry, UploadState } from '@holdfast/protocol';
import {
  isUploadOp,
  type NodeId,
  type UploadEntry as WireEntry,
  type UploadOp,
} from '@holdfast/protocol/views';
import { type NodeKey, nodeKey } from './names.ts';
import { share } from './share.ts';
import { type Slot, slotKey, type Slots, uploadIn } from './slots.ts';

/** What the client itself is doing with an upload. */
export type UploadPhase = 'idle' | 'selecting' | 'uploading' | 'cancelled';

/** What the client itself says of an upload. */
export type OwnUploadOp = {
  readonly op: 'own';
  readonly store_id: NodeId;
  readonly upload: string;
  readonly phase?: UploadPhase;
  readonly errors?: UploadState['errors'];
};

/** Reads what is said of the uploads of a root, by the server and by the client; a part that is loaded when needed. */
export class UploadBook {
  readonly #phases = new Map<string, UploadPhase>();

  read(slots: Map<string, Slot>, before: Slots, ops: readonly unknown[]): void {
    // A mount has emptied them.
    for (const key of this.#phases.keys()) if (!slots.has(key)) this.#phases.delete(key);
    const changed = new Map<string, { readonly node: NodeKey; readonly state: UploadState }>();
    for (const op of ops) {
      if (!isOwn(op) && !isUploadOp(op)) continue;
      const node = nodeKey(op.store_id);
      const key = slotKey(node, 'upload', op.upload);
      const state = changed.get(key)?.state ?? uploadIn(slots.get(key));
      changed.set(key, { node, state: this.#apply(key, state, op) });
    }
    for (const [key, { node, state }] of changed) {
      const judged = judgeUpload(state, this.#phases.get(key) ?? 'idle');
      slots.set(key, { node, shown: share(judged, before.get(key)?.shown, plain) });
    }
  }

  #apply(key: string, state: UploadState, op: UploadOp | OwnUploadOp): UploadState {
    if (op.op !== 'own') return applyUpload(state, op);
    if (op.phase !== undefined) this.#phases.set(key, op.phase);
    return { ...state, errors: op.errors ?? state.errors };
  }
}

function isOwn(op: unknown): op is OwnUploadOp {
  return typeof op === 'object' && op !== null && 'op' in op && op.op === 'own';
}

/** An upload is plain data. */
const plain = { keyOf: () => undefined, before: () => undefined };

/** An upload after an op of the server (views.md §10.2). */
function applyUpload(state: UploadState, op: UploadOp): UploadState {
  switch (op.op) {
    case 'config': {
      const { accept, max_entries, max_file_size, chunk_size } = op.config;
      const config = {
        accept,
        maxEntries: max_entries,
        maxFileSize: max_file_size,
        chunkSize: chunk_size,
      };
      return { ...state, config };
    }
    case 'add':
      return { ...state, entries: upsert(state.entries, entryOf(op.ref, op.entry)) };
    case 'progress': {
      const isDone = op.progress >= 100;
      const progress = Math.min(Math.max(op.progress, 0), 100);
      return edit(state, op.ref, { progress, status: isDone ? 'success' : 'uploading' });
    }
    case 'complete':
      return edit(state, op.ref, { progress: 100, status: 'success' });
    case 'cancel':
      return { ...state, entries: state.entries.filter(({ ref }) => ref !== op.ref) };
    case 'reset':
      return { ...state, entries: [], errors: [] };
    case 'error': {
      if (op.ref === undefined) return { ...state, errors: [...state.errors, op.error] };
      const errors = state.entries.find(({ ref }) => ref === op.ref)?.errors ?? [];
      return edit(state, op.ref, { status: 'error', errors: [...errors, op.error] });
    }
  }
}

/** The same upload with what follows from its entries: status and progress. */
function judgeUpload(state: UploadState, phase: UploadPhase): UploadState {
  const { entries } = state;
  const total = entries.reduce((sum, { size }) => sum + Math.max(size, 1), 0);
  const done = entries.reduce((sum, { size, progress }) => sum + Math.max(size, 1) * progress, 0);
  const progress = total === 0 ? 0 : Math.floor(done / total);
  return { ...state, progress, status: statusOf(state, phase) };
}

function statusOf({ entries, errors }: UploadState, phase: UploadPhase): UploadState['status'] {
  const has = (status: UploadEntry['status']): boolean =>
    entries.some((entry) => entry.status === status);
  if (phase === 'selecting') return 'selecting';
  if (has('uploading') || (phase === 'uploading' && has('pending'))) return 'uploading';
  if (errors.length > 0 || has('error')) return 'error';
  if (has('pending')) return 'selecting';
  if (has('success')) return 'success';
  return phase === 'cancelled' || has('cancelled') ? 'cancelled' : 'idle';
}

function entryOf(ref: string, entry: WireEntry): UploadEntry {
  const { client_name: name, client_size: size, client_type: type } = entry;
  const { progress, status, errors } = entry;
  return { ref, name, size, type, progress, status, errors };
}

function upsert(entries: readonly UploadEntry[], entry: UploadEntry): readonly UploadEntry[] {
  const index = entries.findIndex(({ ref }) => ref === entry.ref);
  return index < 0 ? [...entries, entry] : entries.map((each, at) => (at === index ? entry : each));
}

function edit(state: UploadState, ref: string, change: Partial<UploadEntry>): UploadState {
  const entries = state.entries.map((entry) =>
    entry.ref === ref ? { ...entry, ...change } : entry,
  );
  return { ...state, entries };
}
