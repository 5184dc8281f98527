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

type StoreFigures = Awaited<ReturnType<typeof figures>>;

async function figures(storage: Storage, host: StoreHost) {
  const head = await storage.open(host.row.id);
  const oldestSeq = head?.oldestSeq ?? 1;
  const after = Math.max(0, host.head - RECENT_OPS);
  const recent = await storage.read(host.row.id, after, { ops: RECENT_OPS });
  return {
    current_seq: host.head,
    entry_count: host.describe().leaves,
    op_count: host.head - oldestSeq + 1,
    file_storage_bytes: 0,
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
