export { changesBetween, leavesAround, rootsOf } from './capture.ts';
export { Group } from './group.ts';
export { type Direction, UndoHistory } from './history.ts';
export type { Fate, LeafChange, Step, UndoView } from './types.ts';
