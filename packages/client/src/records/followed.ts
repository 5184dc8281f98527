import { passSchema, type RecordDef, type RecordRef, type SourceDef } from '@holdfast/protocol';
import { passObject } from '@holdfast/protocol/record';
import type { Followed } from './delivery.ts';

/** A record, as it is followed by its key. */
export function followedRecord(ref: RecordRef): Followed {
  const { key, params, record } = ref;
  return { key, params, record, written: ref, pass: (value) => passObject(record, value) };
}

/** A source with its parameters, as it is followed by its key (records.md §15). Throws `invalid_params`. */
export function followedSource(source: SourceDef, params: unknown): Followed {
  const { name, version, schema } = source;
  return {
    key: source.key(params),
    params: {},
    record: { name, version, migrate: {}, migrateDown: {} },
    written: null,
    pass: (value) => passSchema(schema, value),
  };
}

export function isSource(of: RecordDef | SourceDef | string): of is SourceDef {
  return typeof of !== 'string' && of.kind === 'source';
}
