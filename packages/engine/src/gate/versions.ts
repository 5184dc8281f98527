import { majorOf, type RecordDef, type Refusal, refuse, versionPath } from '@holdfast/protocol';
import type { Tree } from '../data/index.ts';

type Versioned = Pick<RecordDef, 'name' | 'version'>;

/** Of which version the objects of a record are; null where none was written yet. */
export function recordedVersion(tree: Tree, { name }: Versioned): string | null {
  const value = tree.leaf(versionPath(name))?.value;
  return typeof value === 'string' ? value : null;
}

/** Why objects at rest of that version are not for this definition; null where they are. */
export function skewOf({ name, version }: Versioned, recorded: string | null): Refusal | null {
  if (recorded === null || version === '*' || majorOf(recorded) === majorOf(version)) return null;
  return refuse('schema_skew', { record: name, client: version, server: recorded });
}
