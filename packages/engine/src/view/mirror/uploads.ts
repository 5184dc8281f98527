import type { UploadEntry, UploadState } from '@holdfast/protocol';
import type { UploadOp, UploadEntry as WireEntry } from '@holdfast/protocol/views';

/** An upload of which nothing came. */
export const emptyUpload: UploadState = Object.freeze({
  config: null,
  status: 'idle',
  entries: Object.freeze([]),
  errors: Object.freeze([]),
  progress: 0,
});

/** What the client itself is doing with an upload. */
export type UploadPhase = 'idle' | 'selecting' | 'uploading' | 'cancelled';

/** An upload after an op of the server (views.md §10.2). */
export function applyUpload(state: UploadState, op: UploadOp): UploadState {
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
export function judgeUpload(state: UploadState, phase: UploadPhase): UploadState {
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
