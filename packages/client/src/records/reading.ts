import { HoldfastError, type Json, type RecordDef } from '@holdfast/protocol';
import { decodeStored, passObject } from '@holdfast/protocol/record';
import { migrate, share } from '@holdfast/engine/record';
import type { RecordStats } from './types.ts';

/** What the gates make of a stored object (records.md §5): its value, or why it is not taken. */
export type Reading =
  | { readonly value: unknown }
  | { readonly fault: 'skew' | 'stale'; readonly error: HoldfastError };

/** Reads a stored object of a version through the version gate and the schema gate; parts that are as before stay the same. */
export function readStored(
  def: RecordDef,
  { json, version }: { readonly json: Json; readonly version: string },
  { before, stats }: { readonly before: unknown; readonly stats: RecordStats },
): Reading {
  const migrated = migrate(def, decodedOf(json), version);
  if (migrated === 'skew') {
    stats.schemaSkews += 1;
    const details = { record: def.name, client: def.version, server: version };
    return { fault: 'skew', error: new HoldfastError('schema_skew', details) };
  }
  if (migrated.isMigrated) stats.migrated += 1;
  const passed = passObject(def, migrated.value);
  if ('value' in passed) return { value: share(before, passed.value) };
  stats.parseErrors += 1;
  const { issue, issues } = passed;
  const error = new HoldfastError('invalid_value', { record: def.name, issues }, issue);
  return { fault: 'stale', error };
}

/** What cannot be decoded is no object, and fails the next gate. */
export function decodedOf(json: Json): unknown {
  try {
    return decodeStored(json);
  } catch {
    return undefined;
  }
}

/** Counters that have counted nothing. */
export function noStats(): RecordStats {
  return {
    applied: 0,
    ignoredStale: 0,
    gaps: 0,
    parseErrors: 0,
    refetches: 0,
    schemaSkews: 0,
    envelopeErrors: 0,
    staleSnapshots: 0,
    incarnationChanges: 0,
    migrated: 0,
    dropped: 0,
    listenerErrors: 0,
    putBack: 0,
  };
}
