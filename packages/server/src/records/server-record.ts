import { fieldOf, recordedVersion } from '@holdfast/engine/gate';
import {
  checkOp,
  checkPrecondition,
  childPath,
  fenceOf,
  type Fencing,
  isObject,
  isPromised,
  isRefusal,
  type Json,
  type Limits,
  type Mutate,
  type Params,
  parseStoreName,
  type Path,
  type Precondition,
  type RecordContext,
  type RecordDef,
  type RecordRef,
  type Refusal,
  refuse,
  RejectedError,
  type Request,
  setOwn,
  type Stored,
  type Write,
  type WriteReply,
} from '@holdfast/protocol';
import { decodeStored, encodeStored, type Envelope, storedForm } from '@holdfast/protocol/record';
import { fullPrincipal, rightsFor, type Viewer } from '../access/index.ts';
import type { Files } from '../files/index.ts';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { Changes, collect, type ServerTx, type ServerTxRecord } from './changes.ts';
import type { Locks } from './locks.ts';
import type { Records } from './records.ts';

const ATTEMPTS_MAX = 10;
const RETRY_AFTER_MS = 1000;
const DEVICE = 'system:server';
/** Names the files that the store holds. */
const server: Viewer = { subject: null };

/** What code of the server wants of a record (records.md §2). */
export type RecordOp<R> =
  | { readonly set: Stored<R> }
  | { readonly patch: Partial<Stored<R>> }
  | { readonly increment: string | readonly string[]; readonly by?: number }
  | { readonly remove: true }
  | { readonly mutate: string; readonly input?: unknown }
  | ((current: Stored<R> | undefined) => Stored<R> | undefined);

/** The records of one definition, as code of the server has them. */
export type ServerRecord<R extends RecordDef = RecordDef> = {
  /** The object as it is committed. Rejects with `invalid_params`, and `not_found` where there is no such store. */
  get(params: Params<R>): Promise<Envelope<Stored<R>>>;
  /**
   * Commits a change, and returns what stands there then. With `ctx` it is judged as a write of that principal, else as one
   * of the server. Rejects with a `RejectedError` where it is refused: with `fenced` where the lease that `fence` names, of
   * the same store, is not held (stores.md §5.1.3). A function that changes nothing writes nothing, and asks for no lease.
   */
  write(
    params: Params<R>,
    op: RecordOp<R>,
    options?: { readonly ctx?: RecordContext; readonly fence?: Fencing },
  ): Promise<Envelope<Stored<R>>>;
};

/** What the records of a server are read from and written by. */
export type RecordRoom = Pick<StoreDoor, 'withStore'> & {
  readonly storage: Pick<Storage, 'stores'>;
  readonly records: Pick<Records, 'veilOf'>;
  readonly files: Pick<Files, 'judge' | 'ruleOf'>;
  readonly newId: () => string;
  readonly limits: Limits;
  /** Of those who change an object that others change too. */
  readonly locks: Locks;
};

type Store = Parameters<Parameters<StoreDoor['withStore']>[1]>[0];

/** The records of a definition on a server. */
export function serverRecord<R extends RecordDef>(room: RecordRoom, def: R): ServerRecord<R> {
  const open = async <T>(
    params: Params<R>,
    use: (store: Store, ref: RecordRef<R>) => T | Promise<T>,
  ): Promise<T> => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parameters of this definition, and its ref
    const ref = def.ref(params as object);
    const row = await room.storage.stores.find(ref.store);
    if (row === null) throw new RejectedError('not_found', { store: ref.store });
    return room.withStore(row.id, (store) => use(store, ref));
  };
  return {
    get: (params) => open(params, (store, ref) => envelopeOf<R>(store, ref)),
    write: (params, op, { ctx, fence } = {}) =>
      open(params, async (store, ref) => {
        await commit(room, { store, ref, viewer: ctx?.principal ?? null, lease: fence }, op);
        return envelopeOf<R>(store, ref);
      }),
  };
}

/** Objects of one store that code of the server changes, all or nothing. */
export type ServerTransact = <T>(
  store: string,
  change: (tx: ServerTx) => T,
  options?: { readonly ctx?: RecordContext },
) => Promise<T>;

/** Transactions of the server. */
export function serverTransact(room: RecordRoom): ServerTransact {
  return async (name, run, { ctx } = {}) => {
    const known = parseStoreName(name);
    const row = known && (await room.storage.stores.find(known));
    if (row === null) throw new RejectedError('not_found', { store: name });
    const viewer = ctx?.principal ?? null;
    return room.withStore(row.id, (store) => change(room, { store, viewer }, run));
  };
}

/** The object at a ref as it is committed. */
function envelopeOf<R extends RecordDef>(store: Store, ref: RecordRef<R>): Envelope<Stored<R>> {
  const { tree, seq } = store.view();
  const { record, path } = ref;
  const found = tree.read(path);
  const schema_version = recordedVersion(tree, record) ?? record.version;
  const { incarnation } = store.row;
  if (found === undefined) {
    return { value: null, schema_version, sequence: seq, incarnation, deleted: true };
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has passed the schema of the record
  const value = decodeStored(found.value) as Stored<R>;
  return { value, schema_version, sequence: found.revision, incarnation };
}

type Target = {
  readonly store: Store;
  readonly ref: RecordRef;
  readonly viewer: Viewer | null;
  readonly lease: Fencing | undefined;
};

/** Who writes, and where to. */
type Writer = Pick<Target, 'store' | 'viewer'>;

type Wanted<R> = Exclude<RecordOp<R>, (...args: never) => unknown>;

async function commit<R>(room: RecordRoom, target: Target, op: RecordOp<R>): Promise<void> {
  if (typeof op === 'function') {
    return change(room, target, (tx) => {
      if (target.lease !== undefined) tx.fence(target.lease);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a record of that definition
      const object = tx.record(target.ref) as unknown as ServerTxRecord<R>;
      const next = op(object.get());
      if (isPromised(next)) throw new TypeError('write: the function must not wait.');
      if (next === undefined) object.remove();
      else object.set(next);
    });
  }
  const reply = await write(room, target, fenced(requestOf(target.ref, op), target.lease));
  if (!isRefusal(reply)) return;
  // That nothing is there is what the precondition says.
  const isGone = reply.code === 'conflict' && 'precondition_index' in reply.details;
  throw RejectedError.from(isGone ? refuse('not_found', { path: target.ref.path }) : reply);
}

/**
 * Commits what a function makes of what stands there, under the condition that it still does; where somebody else came first,
 * once more. Those who have met at an object go on one after the other: all at once, each round would be of use to one of them.
 * Who changes others goes on beside them.
 */
async function change<T>(room: RecordRoom, target: Writer, run: (tx: ServerTx) => T): Promise<T> {
  const { store } = target;
  const keyOf = (path: Path): string => `${store.row.id} ${path}`;
  const attempt = async (isLocked: boolean): Promise<Made<T> | Met> => {
    const { tree } = store.view();
    const changes = new Changes({ name: store.row.name, read: (path) => tree.read(path) });
    const value = collect(changes, run);
    const { request, paths } = changes;
    if (request === null) return { value };
    if (!isLocked && paths.some((path) => room.locks.isTaken(keyOf(path)))) return { paths };
    const reply = await write(room, target, request);
    if (!isRefusal(reply)) return { value };
    const isLate = reply.code === 'conflict' || reply.code === 'exists';
    if (!isLate) throw RejectedError.from(reply);
    return { paths };
  };
  const first = await attempt(false);
  if ('value' in first) return first.value;
  return room.locks.take(first.paths.map(keyOf), () => untilMade(() => attempt(true)));
}

/** What a function has returned whose changes are committed. */
type Made<T> = { readonly value: T };

/** What it has looked at where somebody else came first, or waits for who has it. */
type Met = { readonly paths: readonly Path[] };

async function untilMade<T>(attempt: () => Promise<Made<T> | Met>): Promise<T> {
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
    // oxlint-disable-next-line no-await-in-loop -- until nobody else was faster
    const made = await attempt();
    if ('value' in made) return made.value;
  }
  throw new RejectedError('overloaded', { retry_after_ms: RETRY_AFTER_MS });
}

async function write(
  room: RecordRoom,
  { store, viewer }: Writer,
  request: Request,
): Promise<WriteReply | Refusal> {
  const fault = faultIn(request, room.limits);
  if (fault !== null) return fault;
  return store.write({
    deviceId: DEVICE,
    opId: room.newId(),
    fingerprint: 0,
    principal: viewer?.subject ?? null,
    request,
    rate: null,
    ...(await rightsIn(room, { store, viewer }, request)),
  });
}

/** The request, which is to be committed only while a lease is held. */
function fenced(request: Request, lease: Fencing | undefined): Request {
  if (lease === undefined) return request;
  const fence = fenceOf(lease);
  if (isRefusal(fence)) throw RejectedError.from(fence);
  const ops = request.op === 'transact' ? request.ops : [request];
  const preconditions = request.op === 'transact' ? request.preconditions : [];
  return { op: 'transact', ops, preconditions: [...preconditions, { kind: 'fence', fence }] };
}

/** What a store holds has the same limits whoever writes it; only of how many ops code makes one commit is its own. */
function faultIn(request: Request, limits: Limits): Refusal | null {
  for (const op of request.op === 'transact' ? request.ops : [request]) {
    const fault = checkOp(op, limits);
    if (fault !== null) return fault;
  }
  for (const condition of request.op === 'transact' ? request.preconditions : []) {
    const fault = checkPrecondition(condition, limits);
    if (fault !== null) return fault;
  }
  return null;
}

async function rightsIn(
  { records, files }: RecordRoom,
  { store, viewer }: { readonly store: Store; readonly viewer: Viewer | null },
  request: Request,
): Promise<Pick<Parameters<Store['write']>[0], 'caller' | 'grants' | 'files' | 'fileRule'>> {
  const { id, name } = store.row;
  const principal = fullPrincipal(viewer ?? server);
  const verdict = await files.judge(principal, id, request);
  const judged = { files: verdict, fileRule: files.ruleOf(principal, id) };
  if (viewer === null) return judged;
  const veil = records.veilOf(viewer, { name, valueAt: (path) => store.valueAt(path) });
  return { ...rightsFor(viewer, veil), ...judged };
}

function requestOf<R>({ record, path }: RecordRef, op: Wanted<R>): Request {
  if ('set' in op) return { op: 'set', path, value: storedForm(record, op.set).stored };
  if ('remove' in op) return { op: 'delete', path };
  if ('mutate' in op) return mutation(record, path, op);
  const exists: Precondition = { kind: 'exists', path };
  const ops = 'patch' in op ? patchOf(path, op.patch) : [incrementOf(path, op)];
  return { op: 'transact', ops, preconditions: [exists] };
}

function mutation(
  { name: record }: RecordDef,
  path: Path,
  { mutate: name, input }: { readonly mutate: string; readonly input?: unknown },
): Mutate {
  return { op: 'mutate', path, record, name, value: encodeStored(input ?? null) };
}

/** The fields that are set, and those that are taken out. */
function patchOf(path: Path, patch: object): readonly Write[] {
  const encoded = encodeStored(patch);
  const fields = isObject(encoded) ? encoded : {};
  const set: { [name: string]: Json } = {};
  const ops: Write[] = [];
  for (const name of Object.keys(patch)) {
    const value = fieldOf(fields, name);
    if (value === undefined) ops.push({ op: 'delete', path: childPath(path, name) });
    else setOwn(set, name, value);
  }
  return Object.keys(set).length === 0 ? ops : [{ op: 'merge', path, value: set }, ...ops];
}

function incrementOf(
  path: Path,
  { increment, by = 1 }: { readonly increment: string | readonly string[]; readonly by?: number },
): Write {
  const segments = typeof increment === 'string' ? [increment] : increment;
  return { op: 'increment', path: segments.reduce(childPath, path), value: by };
}
