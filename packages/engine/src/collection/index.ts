export { cursorOf } from './cursor.ts';
export {
  Evaluation,
  opsBetween,
  type Row,
  type RowOp,
  type Window,
  withOps,
} from './evaluation.ts';
export { IndexWindow } from './index-window.ts';
export { comparePlaces, compareValues, type Place, placeOf } from './order.ts';
export { type Move, Ordering } from './ordering.ts';
export { type Plan, planOf } from './plan.ts';
export { fieldsOf, testOf } from './where.ts';
