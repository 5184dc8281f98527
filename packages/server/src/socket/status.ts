import { isRefusal, readOpStatus, type Refusal } from '@holdfast/protocol';
import type { StoreHost } from '../host/store-host.ts';
import type { Stores } from '../host/stores.ts';
import type { Storage } from '../storage/port.ts';
import type { ChannelTerms } from './terms.ts';
import { permissions, storeAccess } from './join.ts';

const RECENT_OPS = 10;

/** The response to `status` (stores.md §7.5). */
export async function describeStore(storage: Storage, terms: ChannelTerms): Promise<object> {
  const { host, principal } = terms;
  const { expiresAt } = host.row;
  return {
    ...(await figures(storage, host)),
    expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    permissions: permissions(principal),
    scopes: [...principal.scopes].toSorted(),
    store_access: storeAccess(principal),
  };
}

/** The figures of a store for HTTP; it is opened for them if it is not open (stores.md §15.2). */
export async function storeFigures(
  storage: Storage,
  stores: Stores,
  id: string,
): Promise<StoreFigures> {
  const hold = await stores.hold(id);
  try {
    return await figures(storage, hold.host);
  } finally {
    hold.release();
  }
}

/** The figures of `status` that do not depend on who asks. */
export type StoreFigures = {
  readonly current_seq: number;
  readonly entry_count: number;
  readonly op_count: number;
  readonly file_storage_bytes: number;
  readonly db_size_bytes: number;
  readonly latest_snapshot_seq: number | null;
  readonly latest_snapshot_at: string | null;
  readonly recent_ops: readonly {
    readonly store_seq: number;
    readonly op: string;
    readonly path: string;
    readonly inserted_at: string;
  }[];
  readonly incarnation: string;
  readonly oldest_seq: number;
};

async function figures(storage: Storage, host: StoreHost): Promise<StoreFigures> {
  const head = await storage.open(host.row.id);
  const oldestSeq = head?.oldestSeq ?? 1;
  const after = Math.max(0, host.head - RECENT_OPS);
  const recent = await storage.read(host.row.id, after, { ops: RECENT_OPS });
  return {
    current_seq: host.head,
    entry_count: host.describe().leaves,
    op_count: host.head - oldestSeq + 1,
    file_storage_bytes: await storage.files.usage(host.row.id),
    db_size_bytes: await storage.size(),
    latest_snapshot_seq: oldestSeq === 1 ? null : oldestSeq - 1,
    latest_snapshot_at: null,
    recent_ops: recent.toReversed().map((op) => ({
      store_seq: op.seq,
      op: op.op,
      path: op.path,
      inserted_at: new Date(op.at).toISOString(),
    })),
    incarnation: host.row.incarnation,
    oldest_seq: oldestSeq,
  };
}

/** The response to `op_status` (stores.md §10.7.1). */
export async function operationStatus(
  storage: Storage,
  terms: ChannelTerms,
  payload: unknown,
): Promise<object | Refusal> {
  const opId = readOpStatus(payload);
  if (isRefusal(opId)) return opId;
  const { deviceId, host } = terms;
  const found = await storage.answers(host.row.id, {
    ids: [{ deviceId, opId }],
    clients: [],
  });
  const [answer] = found.answers;
  if (answer === undefined) return { state: 'unknown' };
  return { state: 'committed', ...(answer.reply ?? { store_seq: answer.seq }) };
}
