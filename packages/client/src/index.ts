export type {
  Cache,
  CacheChange,
  CachedStore,
  CacheTerms,
  DeadLetter,
  DeadLetters,
  Migrate,
} from './cache/port.ts';
export { memoryCache } from './cache/memory.ts';
export { type Client, createClient } from './client.ts';
export type { ConnectOptions } from './connect.ts';
export { decimal, fromEnvelope, type Native, toEnvelope, type Writable } from './envelopes.ts';
export type { ClientEnv, NetworkHint } from './env.ts';
export type {
  FileContent,
  FileInfo,
  FileProgress,
  GetFileOptions,
  OpenFile,
  PutFileOptions,
  StoredFile,
} from './files.ts';
export type {
  Diff,
  DiffChange,
  HistoryOp,
  HistoryOptions,
  HistoryPage,
  Rollback,
  RollbackOptions,
} from './history.ts';
export type { Lease, LeaseOptions } from './lease.ts';
export type { Link, LinkConnection, LinkEvents } from './link/port.ts';
export { type WebSocketClass, type WebSocketLike, webSocketLink } from './link/websocket.ts';
export type { Page, PageOptions, Select, SyncedEntry } from './listing.ts';
export type {
  ClientOptions,
  ConnectParams,
  MadeWrite,
  RejectedWrite,
  Revocation,
  TokenSource,
} from './options.ts';
export type { Compute, Flight, OnceOptions } from './once.ts';
export type { Outbox } from './outbox.ts';
export type { StoreOptions } from './part.ts';
export type { Past } from './past.ts';
export type { Commit, Receipt, WriteOutcome, WriteState } from './receipt.ts';
export type { OutboxEntry, StoreStatus } from './status.ts';
export type { OpStatus } from './op-status.ts';
export type { Store } from './store.ts';
export type { Transaction } from './transaction.ts';
export type { ConnectionStatus } from './connection.ts';
export type { SyncStatus } from './sync.ts';
export type { OnOptions, SubscribeOptions, WatcherOptions } from './watch.ts';
export type {
  AbsentOptions,
  BlindOptions,
  FenceOptions,
  MatchOptions,
  PathInput,
} from './writes.ts';
export { observe, type Release, type Signal } from '@holdfast/engine/registry';
export type { ShownEntry as StoreEntry, WatchEvent, WatchMode } from '@holdfast/engine/replica';
export { ConflictError, explainErrors, HoldfastError, RejectedError } from '@holdfast/protocol';
export type { Codec, Entry, Fencing, Json, JsonObject, Reason } from '@holdfast/protocol';
