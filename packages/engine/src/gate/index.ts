export {
  changedFields,
  fieldOf,
  isWritable,
  mergeInto,
  type MergeInput,
  putBack,
  readMergeInput,
  sameStored,
  writesTo,
} from './fields.ts';
export { migrate, objectsOf } from './migration.ts';
export { mergeMutation, type MutationRun, runMutation } from './mutation.ts';
export { type Placed, Places } from './places.ts';
export { type GatedRecord, RecordGate } from './record-gate.ts';
export type { WriteIntent, WriteRule } from './rules.ts';
export { recordedVersion, skewOf, versionPath } from './versions.ts';
