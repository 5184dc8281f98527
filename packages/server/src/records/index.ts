export type { ServerTx, ServerTxRecord } from './changes.ts';
export { type DeskRoom, type RecordDesk, recordDesk } from './desk.ts';
export type { MountedRecords, SyncOptions } from './mounted.ts';
export type { RecordOptions } from './options.ts';
export { type RecordFault, Records } from './records.ts';
export type { SourceOptions, SourcePolicy } from './sources.ts';
export type { SseOptions, SyncHandler } from './sync-handler.ts';
export type { RecordOp, ServerRecord, ServerTransact } from './server-record.ts';
