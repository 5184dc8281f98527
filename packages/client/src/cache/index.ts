/** What a driver of a durable cache is made with: rows of text in a storage of yours make a whole cache. */
export { keeping } from './keeping.ts';
export { keptIn } from './kept.ts';
export type { CacheSharing, Keeping } from './port.ts';
export {
  cacheFault,
  type CacheFaultKind,
  type Hand,
  judge,
  type Row,
  type RowBatch,
  type RowChange,
  type RowKind,
  type RowStore,
  type Standing,
  type TakeRows,
  type Verdict,
  type Written,
} from './rows.ts';
