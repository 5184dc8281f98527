export { apply, typeOfOp } from './apply.ts';
export type { DecideContext, FileWrite, Intent } from './context.ts';
export { type Decision, decide, decideTransaction, type TransactionDecision } from './decide.ts';
export { isLease } from './guards.ts';
export { Matcher } from './matcher.ts';
export { touches } from './reach.ts';
export { type Change, type MapRow, Tree, type Witness } from './tree.ts';
export type { Range } from './walk.ts';
