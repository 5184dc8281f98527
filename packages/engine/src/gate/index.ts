export { commitsOf } from './commits.ts';
export { Envelopes, type ObjectChange } from './envelopes.ts';
export { changedFields, fieldOf, sameStored } from './fields.ts';
export { objectsOf } from './migration.ts';
export { KnownPlaces } from './known-places.ts';
export { type Placed, Places } from './places.ts';
export { type GatedRecord, RecordGate } from './record-gate.ts';
export {
  type Around,
  objectsTouched,
  retell,
  Retelling,
  stateAfter,
  veilOver,
} from './retelling.ts';
export type { WriteIntent, WriteRule } from './rules.ts';
export { type ReadClass, type ReadRule, Veil, type VeiledRecord } from './veil.ts';
export { recordedVersion } from './versions.ts';
