// Clients and handles are disposable: who compiles against them needs these types, whatever their own library has.
/// <reference lib="esnext.disposable" preserve="true" />
export { asGlob, asPath, asStoreName } from './brand.ts';
export type { DeviceId, EpochMs, Glob, MonotonicMs, OpId, Path, Seq, StoreName } from './brand.ts';
export { type Codec, DecodeError, unreadable } from './codec/codec.ts';
export { jsonCodec } from './codec/json.ts';
export { ConflictError, HoldfastError, RejectedError } from './errors.ts';
export { isBase64, typedNameOf } from './envelope.ts';
export { closeFrame, errorFrame, pushFrame, refusalFrame, replyFrame } from './frames/answers.ts';
export {
  type Address,
  type BadFrame,
  type Frame,
  frameTuple,
  heartbeatFrame,
  isBadFrame,
  readFrame,
  readRefusal,
  readReply,
  type Reply,
} from './frames/channel.ts';
export {
  contains,
  containsScope,
  covers,
  literalPrefix,
  matches,
  parseGlob,
  type Part,
  type Pattern,
  patternsOf,
} from './glob.ts';
export { getOwn, isObject, type Json, jsonEquals, type JsonObject, pick, setOwn } from './json.ts';
export { defaultLimits, type Limits, type RequestLimits, requestLimits } from './limits.ts';
export {
  type Entry,
  type Fence,
  isLeafType,
  isLeaseOp,
  isOpName,
  type Leaf,
  type LeafType,
  leafTypes,
  type LeaseValue,
  type Mutate,
  type Op,
  type OpName,
  opNames,
  type Precondition,
  type PutFile,
  type Request,
  type Transaction,
  type Write,
  type WriteReply,
  type WriteResult,
} from './op.ts';
export { explainErrors, refusals } from './refusal-table.ts';
export { isCode, isReason } from './reasons.ts';
export {
  type Code,
  isRefusal,
  type Reason,
  Refusal,
  type RefusalDetails,
  refuse,
  refuseAs,
  type Retry,
} from './refusals.ts';
export {
  childPath,
  comparePaths,
  escapeSegment,
  isAncestor,
  isReservedPath,
  isWirePath,
  parentOf,
  parsePath,
  type PathLimits,
  renderPath,
  type Segments,
  segmentsOf,
  toPath,
  unescapeSegment,
  versionPath,
} from './path.ts';
export { parseStoreName } from './store-name.ts';
export { fromBase64, toBase64 } from './base64.ts';
export { utf8Length } from './utf8.ts';
export { checkValue, flatten, isPlainObject, typeOfValue, type ValueLimits } from './value.ts';
export { type ClientEvent, clientEvents, type ServerEvent, serverEvents } from './frames/events.ts';
export {
  joinPayload,
  type JoinReply,
  type JoinRequest,
  type SeedClaim,
  type SeedContent,
  type LegacyJoinReply,
  readJoinReply,
  type SnapshotReason,
} from './frames/join.ts';
export {
  type EventPayload,
  eventPayload,
  type Events,
  type OpTuple,
  opTuple,
  readEvents,
  type WireOp,
} from './frames/ops.ts';
export {
  readOpStatusReply,
  readScopeReply,
  readWriteReply,
  type RollbackReply,
  type ScopeReply,
  type StatusReply,
} from './frames/pushes.ts';
export {
  type CatchUpComplete,
  type EntryTuple,
  entryTuple,
  type MapTuple,
  readCatchUpComplete,
  readSnapshotBegin,
  readSnapshotChunk,
  readSnapshotEnd,
  type SnapshotBegin,
  type SnapshotChunk,
  type SnapshotEnd,
} from './frames/snapshot.ts';
export {
  type DiffLine,
  type Difference,
  type EntryPage,
  type LogLine,
  readDifference,
  readEntry,
  readEntryPage,
  readLog,
  readPathPage,
} from './http/history.ts';
export {
  checkGuards,
  checkOp,
  checkPrecondition,
  leaseMsMax,
  ownRequest,
} from './requests/check.ts';
export { decodeRequest } from './requests/decode.ts';
export { type EncodedRequest, encodeRequest } from './requests/encode.ts';
export { fenceOf, type Fencing } from './requests/fencing.ts';
export { fingerprint } from './requests/fingerprint.ts';
export type { Dialect, ReadOptions } from './requests/guards.ts';
export { readJoin, readScope, type ScopeChange } from './requests/join.ts';
export { readOpId } from './requests/op-id.ts';
export { readPath } from './requests/place.ts';
export {
  parsePutFile,
  readAckSeq,
  readOpStatus,
  readRollback,
  type Rollback,
} from './requests/pushes.ts';
export { parseTransact } from './requests/transact.ts';
export { parseWrite } from './requests/write.ts';
export type {
  AnySchema,
  App,
  AsyncReason,
  AsyncSlot,
  AsyncState,
  CommandsOf,
  CommandTypes,
  EventsOf,
  InputOf,
  ModuleOf,
  NodeCommands,
  NodeEvents,
  NodeSnapshot,
  NodeTypes,
  NodeUploads,
  NoMembers,
  OutputOf,
  ParamsOf,
  RecordsOf,
  RemoteApp,
  RemoteNode,
  RootOf,
  RootTypes,
  Snapshot,
  SnapshotOf,
  StreamSlot,
  UploadConfig,
  UploadEntry,
  UploadProblem,
  UploadSlot,
  UploadsOf,
  UploadState,
  ViewsOf,
} from './definitions/app.ts';
export { presence, type PresenceDefinition, presenceTopic } from './definitions/presence.ts';
export {
  collection,
  type CollectionDef,
  type CollectionSpec,
  type Condition,
  type Order,
  type Query,
  readQuery,
  rowsMax,
  type Where,
} from './definitions/collection.ts';
export { globOf, passthrough, record, recordsByName } from './definitions/record.ts';
export type {
  Authority,
  Field,
  Merge,
  Migration,
  Migrations,
  Mutation,
  MutationEnv,
  MutationInput,
  MutationName,
  Out,
  Params,
  RecordContext,
  RecordDef,
  RecordRef,
  RecordSpec,
  RecordTypes,
  RecordValue,
  Scalar,
  Stored,
  TypesOfSpec,
  ViewContext,
} from './definitions/record-types.ts';
export {
  isPromised,
  isThenable,
  type Issue,
  issuesMax,
  type Passed,
  passSchema,
  saidBy,
  type SchemaInput,
  type SchemaIssue,
  type SchemaOutput,
  type SchemaResult,
  type StandardSchema,
} from './definitions/schema.ts';
export { source, type SourceDef, type SourceTypes } from './definitions/source.ts';
export type { ParamNames, TemplateParams } from './definitions/template.ts';
export { majorOf, parseVersion } from './definitions/version.ts';
export { CAPVER, CAPVER_MIN, PROTOCOL_FINGERPRINT } from './version.ts';
