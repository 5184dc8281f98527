export { type Composed, compose, type RecordWrite, type Target } from './intent.ts';
export { isSameMajor, type Migrated, migrate } from './migration.ts';
export {
  inputOf,
  isWritable,
  mergeField,
  mergeMutation,
  mutated,
  type Mutable,
  putBack,
  writesTo,
} from './mutation.ts';
export { mutatorOf, refusalOf } from './mutator.ts';
export { share } from './share.ts';
