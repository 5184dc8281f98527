export { apply, typeOfOp } from './apply.ts';
export type { DecideContext, FileWrite, Intent, Mutator } from './context.ts';
export { type Decision, decide, resultOf } from './decide.ts';
export {
  type Addition,
  type Advice,
  type Asked,
  type Caller,
  Consult,
  type Gate,
  type MigrateRequest,
  type FileRule,
  type NamedFile,
  type Proposal,
  type Question,
  type Ruling,
} from './gate.ts';
export { revisionAt } from './guards.ts';
export { isLease, leaseRules } from './leases.ts';
export { Matcher } from './matcher.ts';
export { applyPatch, type Exchange, Patching, readPointer } from './patch-apply.ts';
export { project } from './projection.ts';
export { targets, touches } from './reach.ts';
export { checkRules, forbidden, type PathGrants, seesRequest, veil } from './rules.ts';
export { type Bound, Scope } from './scope.ts';
export { type Change, type MapRow, Tree, type Witness } from './tree.ts';
export type { Range } from './walk.ts';
export { eachMap } from './each-map.ts';
export { countIn, entriesIn, entriesUnder, MapRows, readIn } from './visible.ts';
export { sameLeaf, Span } from './history.ts';
export { sorting } from './sorting.ts';
export { decideImport, type ImportedLeaf, type ImportRequest } from './import.ts';
export { decideRollback, type RollbackRequest } from './rollback.ts';
export { diff } from './patch/diff.ts';
export { identityOf, isSameElement, isSameNode } from './patch/identity.ts';
export { toWire, type Wire, WireError, type WirePath } from './patch/wire.ts';
