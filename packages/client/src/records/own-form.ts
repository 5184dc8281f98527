import { type Json, type Path, type RecordDef, versionPath } from '@holdfast/protocol';
import { encodeStored } from '@holdfast/protocol/record';
import type { Mutator } from '@holdfast/engine/data';
import { isSameMajor, migrate } from '@holdfast/engine/record';
import type { Replica } from '@holdfast/engine/replica';
import { foldOver, type Shown } from './overlay.ts';
import { decodedOf } from './reading.ts';

/** What an object is read from. */
export type Sources = {
  readonly replica: Pick<Replica, 'entry' | 'committed'>;
  /** Own writes that wait and touch an object. */
  readonly near: (path: Path) => readonly Shown[];
  /** Runs the mutations of records. */
  readonly mutate: Mutator;
  readonly now: () => number;
};

/** An object as it is stored, and the version that it is to be read by. */
export type Stored = { readonly json: Json | undefined; readonly version: string };

/** Which version all objects of a record have in a store: a leaf says so (records.md §3.5). */
export function versionIn(
  { name, version }: Pick<RecordDef, 'name' | 'version'>,
  replica: Pick<Replica, 'committed'>,
): string {
  const leaf = replica.committed(versionPath(name))?.value;
  return typeof leaf === 'string' ? leaf : version;
}

/**
 * Gives objects with own writes. These are of this client's major, also those that were queued before it was upgraded
 * (records.md §11.5): they lie on what becomes of an object that the store has in another.
 */
export function withOwn(
  def: RecordDef,
  { replica, near, mutate, now }: Sources,
): (path: Path) => Stored {
  const version = versionIn(def, replica);
  const shown = (path: Path): Stored => ({ json: replica.entry(path)?.value, version });
  if (version === def.version || isSameMajor(def, version)) return shown;
  return (path) => {
    const writes = near(path);
    // Most have none, and are migrated as they are read.
    if (writes.length === 0) return shown(path);
    const committed = replica.committed(path)?.value;
    const base = committed && inOwnMajor(def, committed, version);
    if (base === null) return shown(path);
    return { json: foldOver({ path, base, mutate }, writes, now()), version: def.version };
  };
}

/** What a write of this client is composed on. */
export function inOwnForm(def: RecordDef, { json, version }: Stored): Json | undefined {
  if (json === undefined || isSameMajor(def, version)) return json;
  return inOwnMajor(def, json, version) ?? json;
}

/** An object of a store as this client's major has it; null: there is no way. */
function inOwnMajor(def: RecordDef, json: Json, version: string): Json | null {
  const migrated = migrate(def, decodedOf(json), version);
  try {
    return migrated === 'skew' ? null : encodeStored(migrated.value);
  } catch {
    return null;
  }
}
