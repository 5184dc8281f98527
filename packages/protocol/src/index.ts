export { asGlob, asPath, asStoreName } from './brand.ts';
export type { DeviceId, EpochMs, Glob, MonotonicMs, OpId, Path, Seq, StoreName } from './brand.ts';
export { type Codec, DecodeError, unreadable } from './codec/codec.ts';
export { jsonCodec } from './codec/json.ts';
export { ConflictError, HoldfastError, RejectedError } from './errors.ts';
export { isBase64 } from './envelope.ts';
export {
  type Address,
  type BadFrame,
  closeFrame,
  errorFrame,
  type Frame,
  frameTuple,
  heartbeatFrame,
  isBadFrame,
  pushFrame,
  readFrame,
  readRefusal,
  readReply,
  refusalFrame,
  type Reply,
  replyFrame,
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
} from './glob.ts';
export { isObject, type Json, jsonEquals, type JsonObject, setOwn } from './json.ts';
export { defaultLimits, type Limits } from './limits.ts';
export {
  type Entry,
  type Fence,
  type Leaf,
  type LeafType,
  type LeaseValue,
  type Op,
  type OpName,
  opNames,
  type Precondition,
  type Request,
  type Transaction,
  type Write,
  type WriteReply,
  type WriteResult,
} from './op.ts';
export {
  isReason,
  isRefusal,
  type Reason,
  Refusal,
  type RefusalDetails,
  refusals,
  refuse,
  type Retry,
} from './refusals.ts';
export {
  childPath,
  comparePaths,
  escapeSegment,
  isAncestor,
  isReservedPath,
  parentOf,
  parsePath,
  type PathLimits,
  readPath,
  renderPath,
  type Segments,
  segmentsOf,
  toPath,
} from './path.ts';
export { parseStoreName } from './store-name.ts';
export { utf8Length } from './utf8.ts';
export { checkValue, flatten, isPlainObject, typeOfValue, type ValueLimits } from './value.ts';
