import assert from 'node:assert/strict';
import {
  asPath,
  asStoreName,
  type Entry,
  type EpochMs,
  type Op,
  type Seq,
} from '@holdfast/protocol';
import type { Answer, Batch, LoadChunk, LoggedOp, Storage, StoreRow } from '../port.ts';

/** The driver under test. */
export type StorageSubject = {
  /** Opens an empty storage that reads the time from `now`. */
  readonly open: (now: () => EpochMs) => Promise<Storage>;
  /** Opens again what a storage that was closed has kept; or the reason why there is nothing to open. */
  readonly reopen: ((now: () => EpochMs) => Promise<Storage>) | { readonly skip: string };
};

/** A case of the law. */
export type Case = {
  readonly name: string;
  /** It needs a driver that keeps data beyond its close. */
  readonly reopens?: true;
  readonly run: (subject: StorageSubject) => Promise<void>;
};

/** A clock that the case sets. */
export type Clock = { at: EpochMs };

/** An instant to begin with; any will do. */
export const start: EpochMs = 1_800_000_000_000;

/** A case on a fresh storage with one store in it, closed at the end. */
export function onStore(
  run: (storage: Storage, store: string, clock: Clock) => Promise<void>,
): (subject: StorageSubject) => Promise<void> {
  return onStorage(async (storage, clock) => {
    await run(storage, (await createStore(storage, 'acme/app')).id, clock);
  });
}

/** A case on a fresh storage, closed at the end. */
export function onStorage(
  run: (storage: Storage, clock: Clock) => Promise<void>,
): (subject: StorageSubject) => Promise<void> {
  return async (subject) => {
    const clock = { at: start };
    const storage = await subject.open(() => clock.at);
    try {
      await run(storage, clock);
    } finally {
      await storage.close();
    }
  };
}

/** Opens again what was closed, for cases that say `reopens`. */
export async function reopened(subject: StorageSubject, clock: Clock): Promise<Storage> {
  assert(typeof subject.reopen === 'function');
  return subject.reopen(() => clock.at);
}

/** Makes a store; its id follows from its name. */
export async function createStore(storage: Storage, name: string): Promise<StoreRow> {
  const row = await storage.stores.create({
    id: `id of ${name}`,
    name: asStoreName(name),
    incarnation: 'first',
    expiresAt: null,
  });
  assert(row !== null, `${name} could not be created`);
  return row;
}

/** A log record with the fields that matter to a case. */
export function op(seq: Seq, fields: Partial<LoggedOp> = {}): LoggedOp {
  const record: Op = {
    seq,
    op: 'set',
    path: asPath(`items/${seq}`),
    value: `value ${seq}`,
    arg: null,
    deviceId: 'device',
    clientOpId: `device:session:${seq}`,
    tx: null,
    at: start + seq,
    principal: 'alice',
  };
  return { ...record, removed: [], ...fields };
}

/** A dedupe record. */
export function answer(seq: Seq, fields: Partial<Answer> = {}): Answer {
  const opId = `device:session:${seq}`;
  const plain = { deviceId: 'device', opId, fingerprint: seq, seq, at: start, reply: null };
  return { ...plain, principal: 'alice', ...fields };
}

/** A leaf with its path, as a read returns it. */
export function entry(path: string, value: string, revision: Seq): Entry {
  return { path: asPath(path), value, type: 'string', revision };
}

/** A batch of these ops, each of which writes its value as a text leaf at its path. */
export function batchOf(ops: readonly LoggedOp[], fields: Partial<Batch> = {}): Batch {
  const entries = ops.map(
    ({ path, value, seq }) => [path, { value, type: 'string', revision: seq }] as const,
  );
  return { ops, entries, maps: [], answers: [], ...fields };
}

/** Ops of `count` seqs after `after`. */
export function opsAfter(after: Seq, count: number): LoggedOp[] {
  return Array.from({ length: count }, (_, index) => op(after + 1 + index));
}

/** Appends, and insists on it. */
export async function mustStore(storage: Storage, store: string, batch: Batch): Promise<void> {
  const expected = (batch.ops[0]?.seq ?? 1) - 1;
  assert.deepEqual(await storage.append(store, expected, batch), { status: 'stored' });
}

/** All chunks of a load. */
export async function chunksOf(storage: Storage, store: string): Promise<LoadChunk[]> {
  const chunks: LoadChunk[] = [];
  for await (const chunk of storage.load(store)) chunks.push(chunk);
  return chunks;
}

/** The state that a load shows. */
export async function stateOf(storage: Storage, store: string): Promise<LoadChunk> {
  const chunks = await chunksOf(storage, store);
  const seqs = new Set(chunks.map(({ seq }) => seq));
  assert.equal(seqs.size, 1, 'a load shows one seq');
  return {
    seq: chunks[0]?.seq ?? 0,
    entries: chunks.flatMap(({ entries }) => entries),
    maps: chunks.flatMap(({ maps }) => maps),
  };
}
