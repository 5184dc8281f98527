export { Evaluation } from '@holdfast/engine/collection';
export { Rows } from './rows.ts';
