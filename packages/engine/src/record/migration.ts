import { getOwn, isPromised, majorOf, type RecordDef } from '@holdfast/protocol';

/** A value as the definition's major has it, whether it had to be migrated; or that there is no way. */
export type Migrated = { readonly value: unknown; readonly isMigrated: boolean } | 'skew';

type Migrating = Pick<RecordDef, 'version' | 'migrate' | 'migrateDown'> & {
  /** Hears of a step that throws. */
  readonly failed?: (error: unknown) => void;
};

/** Whether values of a version are those of the definition: same major, or one of the two cannot be told (records.md §6.4.5). */
export function isSameMajor(def: Pick<RecordDef, 'version'>, version: string): boolean {
  const [own, other] = [majorOf(def.version), majorOf(version)];
  return own === null || other === null || own === other;
}

/** Takes a decoded value step by step from the major it has to that of the definition; a missing or throwing step is skew. */
export function migrate(def: Migrating, value: unknown, version: string): Migrated {
  const [own, other] = [majorOf(def.version), majorOf(version)];
  if (own === null || other === null || own === other) return { value, isMigrated: false };
  const steps = other < own ? def.migrate : def.migrateDown;
  let current = value;
  for (let major = other; major !== own; major += other < own ? 1 : -1) {
    const step = getOwn(steps, String(major));
    if (step === undefined) return 'skew';
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a step looks at what it gets, or throws
      current = step(current as never);
      if (isPromised(current)) throw new TypeError('a migration cannot be async');
    } catch (error) {
      def.failed?.(error);
      return 'skew';
    }
  }
  return { value: current, isMigrated: true };
}
