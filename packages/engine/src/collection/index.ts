export { cursorOf } from './cursor.ts';
export {
  Evaluation,
  opsBetween,
  type Row,
  type RowOp,
  type Window,
  withOps,
} from './evaluation.ts';
export { comparePlaces, compareValues, type Place, placeOf } from './order.ts';
export { fieldsOf, testOf } from './where.ts';
