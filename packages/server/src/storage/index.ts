export { memory, type MemoryOptions } from './memory.ts';
export { checkBatch, clears, retentionOf, splitOpId } from './batch.ts';
export {
  type Answer,
  type AnswersAsked,
  type AnswersFound,
  type AppendResult,
  type Batch,
  type ClearMarker,
  type DeviceRecord,
  type DeviceTable,
  type LoadChunk,
  type LoggedOp,
  type ReadLimit,
  type Retention,
  type Storage,
  StorageError,
  type StoreHead,
  type StoreRow,
  type StoreTable,
  type TokenRow,
  type TokenTable,
} from './port.ts';
