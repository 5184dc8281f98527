export { changesBetween, leavesAround, merged, rootsOf } from './capture.ts';
export { type Direction, UndoHistory } from './history.ts';
export type { Fate, LeafChange, Step, UndoView } from './types.ts';
