import { type Answer, type LoggedOp, recordOf } from '@holdfast/engine/authority';
import { entriesIn, type Scope } from '@holdfast/engine/data';
import {
  type Entry,
  isObject,
  isReason,
  isRefusal,
  readOpStatus,
  readPath,
  type Refusal,
  refuse,
  RejectedError,
  type Seq,
} from '@holdfast/protocol';
import { explain, grantsUnder, type Principal, readAsked } from '../access/index.ts';
import type { StoreHost } from '../host/store-host.ts';
import { tellBackwards } from '../host/telling.ts';
import type { Storage } from '../storage/port.ts';
import { type Looker, turn } from '../storage/turn.ts';
import { permissions, storeAccess } from './join.ts';
import type { SocketRoom } from './room.ts';
import type { ChannelTerms } from './terms.ts';

const RECENT_OPS = 10;
/** How far back ops are counted one by one. */
const OPS_COUNTED = 10_000;
const LOOKS_PER_TURN = 1000;

/** The response to `status` (stores.md §7.5). */
export async function describeStore(
  room: SocketRoom,
  terms: ChannelTerms,
): Promise<object | Refusal> {
  const { host, principal, grants } = terms;
  const { expiresAt, id } = host.row;
  const figures = await room.rates
    .looking(principal, id, (looker) =>
      figuresFor(room, host, { readable: grants?.read ?? null, looker }),
    )
    .catch(refusalIn);
  if (isRefusal(figures)) return figures;
  return {
    ...figures,
    expires_at: expiresAt,
    permissions: permissions(principal, grants),
    scopes: [...principal.scopes].toSorted(),
    store_access: storeAccess(principal),
  };
}

/** The figures of a store for HTTP, as far as the principal may read; it is opened for them if it is not open (stores.md §15.2). */
export async function storeFigures(
  room: FigureRoom & Pick<SocketRoom, 'stores' | 'veilOf'>,
  id: string,
  { principal, looker }: { readonly principal: Principal; readonly looker: Looker },
): Promise<StoreFigures> {
  const hold = await room.stores.hold(id);
  try {
    const { read } = grantsUnder(principal, room.veilOf?.(principal, hold.host) ?? null);
    return await figuresFor(room, hold.host, { readable: read.isWhole ? null : read, looker });
  } finally {
    hold.release();
  }
}

type FigureRoom = Pick<SocketRoom, 'storage'>;

function figuresFor(
  room: FigureRoom,
  host: StoreHost,
  { readable, looker }: { readonly readable: Scope | null; readonly looker: Looker },
): Promise<StoreFigures> {
  return readable === null || readable.isWhole
    ? figuresOf(room.storage, host, looker)
    : visibleFigures(room, host, { readable, looker });
}

/** The refusal that was thrown; throws anything else. */
export function refusalIn(error: unknown): Refusal {
  if (error instanceof RejectedError && isReason(error.code)) {
    return refuse(error.code, error.details);
  }
  throw error;
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
  readonly recent_ops: readonly RecentOp[];
  readonly incarnation: string;
  readonly oldest_seq: number;
};

type RecentOp = {
  readonly store_seq: number;
  readonly op: string;
  readonly path: string;
  readonly inserted_at: string;
};

async function figuresOf(storage: Storage, host: StoreHost, looker: Looker): Promise<StoreFigures> {
  const bytes = await fileBytes(storage, host);
  await looker.rest();
  const head = await storage.open(host.row.id);
  const oldestSeq = head?.oldestSeq ?? 1;
  const recent = await recentOps(host);
  return {
    current_seq: host.head,
    entry_count: host.describe().leaves,
    op_count: host.head - oldestSeq + 1,
    file_storage_bytes: bytes,
    db_size_bytes: await storage.size(),
    latest_snapshot_seq: oldestSeq === 1 ? null : oldestSeq - 1,
    latest_snapshot_at: null,
    recent_ops: recent,
    incarnation: host.row.incarnation,
    oldest_seq: oldestSeq,
  };
}

/** What was counted last, and of which state. */
const counted = new WeakMap<StoreHost, { readonly seq: Seq; readonly bytes: Promise<number> }>();

/** What the files of a store come to: of each state all who ask wait for one count, which takes long where there are many. */
function fileBytes(storage: Storage, host: StoreHost): Promise<number> {
  const { head: seq } = host;
  const known = counted.get(host);
  if (known?.seq === seq) return known.bytes;
  const bytes = storage.files.usage(host.row.id);
  counted.set(host, { seq, bytes });
  // Who asks next counts anew.
  bytes.catch(() => counted.delete(host));
  return bytes;
}

/** The last few ops, newest first, from memory as far as they are there: they may be large, and little of them is told. */
async function recentOps(host: StoreHost): Promise<readonly RecentOp[]> {
  const { head } = host;
  const recent: RecentOp[] = [];
  for (let at = Math.max(0, head - RECENT_OPS); at < head;) {
    // oxlint-disable-next-line no-await-in-loop -- part by part, in the order of the log
    const ops = await host.read(at, head);
    const last = ops.at(-1);
    if (last === undefined) break;
    recent.unshift(...ops.map(recentOp).toReversed());
    at = last.seq;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (at < head) await turn();
  }
  return recent;
}

/** The same for who may read a part: nothing tells of the rest. The ops are those of the last {@link OPS_COUNTED}. */
async function visibleFigures(
  room: FigureRoom,
  host: StoreHost,
  { readable, looker }: { readonly readable: Scope; readonly looker: Looker },
): Promise<StoreFigures> {
  const whole = await figuresOf(room.storage, host, looker);
  const from = Math.max(host.head - OPS_COUNTED, whole.oldest_seq - 1);
  const seen: RecentOp[] = [];
  let count = 0;
  for await (const op of tellBackwards(host, { scope: readable, from: host.head }, looker)) {
    if (op.seq <= from) break;
    count += 1;
    if (seen.length < RECENT_OPS) seen.push(recentOp(op));
  }
  return {
    ...whole,
    ...(await countSlowly(host, readable, looker)),
    op_count: count,
    db_size_bytes: 0,
    recent_ops: seen,
  };
}

async function countSlowly(
  host: StoreHost,
  readable: Scope,
  looker: Looker,
): Promise<Pick<StoreFigures, 'entry_count' | 'file_storage_bytes'>> {
  const files = new Map<string, number>();
  let count = 0;
  let looks = 0;
  for (const entry of entriesIn(host.view().tree, readable)) {
    if (entry !== null) {
      count += 1;
      noteFile(entry, files);
    }
    looks += entry === null ? LOOKS_PER_TURN : 1;
    if (looks < LOOKS_PER_TURN) continue;
    looks = 0;
    await looker.rest();
  }
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
  return { entry_count: count, file_storage_bytes: bytes };
}

/** Each blob counts once, however many entries name it. */
function noteFile({ type, value }: Entry, files: Map<string, number>): void {
  if (type !== 'file' || !isObject(value)) return;
  const { hash, size } = value;
  if (typeof hash === 'string' && typeof size === 'number') files.set(hash, size);
}

function recentOp({ seq, op, path, at }: LoggedOp): RecentOp {
  return { store_seq: seq, op, path, inserted_at: new Date(at).toISOString() };
}

/** The response to `op_status` (stores.md §10.7.1). */
export async function operationStatus(
  storage: Storage,
  terms: ChannelTerms,
  payload: unknown,
): Promise<object | Refusal> {
  const opId = readOpStatus(payload);
  if (isRefusal(opId)) return opId;
  const { deviceId, host, principal, grants } = terms;
  const by = principal.subject;
  const asker = { principal: by, ...(grants && { grants }) };
  const asked = { ids: [{ deviceId, opId }], clients: [] };
  const look = async (): Promise<Answer | null> =>
    recordOf(asker, (await storage.answers(host.row.id, asked)).answers);
  // It may be queued by another socket of the device: then what it comes to is the answer.
  await host.settled({ deviceId, opId, by });
  let answer = await look();
  // Who may read all there is gets the answer of others, where there is none of its own.
  if (answer === null && grants === null && (await host.settled({ deviceId, opId }))) {
    answer = await look();
  }
  if (answer === null) return { state: 'unknown' };
  return { state: 'committed', ...(answer.reply ?? { store_seq: answer.seq }) };
}

/** The response to `explain`: why who asks does or does not see or write a path. */
export function explainTo(
  room: SocketRoom,
  terms: ChannelTerms,
  payload: unknown,
): object | Refusal {
  if (!isObject(payload)) return refuse('invalid_payload', { field: 'payload' });
  const path = readPath(payload, room.limits);
  if (isRefusal(path)) return path;
  const op = readAsked(payload['op']);
  if (isRefusal(op)) return op;
  const { host, principal } = terms;
  const sight = {
    row: host.row,
    tree: host.view().tree,
    keysQuota: room.quotas?.keys ?? null,
    now: room.clock.wall(),
    veil: room.veilOf?.(principal, host) ?? null,
  };
  return explain(principal, sight, { path, op });
}
