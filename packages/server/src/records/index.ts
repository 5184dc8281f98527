export { type RecordOptions, rulesOf } from './options.ts';
export { type RecordFault, Records } from './records.ts';
export {
  type RecordOp,
  type RecordRoom,
  serverRecord,
  type ServerRecord,
} from './server-record.ts';
