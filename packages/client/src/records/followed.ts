import { passSchema, type RecordRef } from '@holdfast/protocol';
import { passObject } from '@holdfast/protocol/record';
import type { Followed, SourceRef } from './delivery.ts';

/** A record, or a source with its parameters, as it is followed by its key (records.md §15). */
export function followed(of: RecordRef | SourceRef): Followed {
  const { key } = of;
  if ('record' in of) {
    const { params, record } = of;
    return { key, params, record, written: of, pass: (value) => passObject(record, value) };
  }
  const { name, version, schema } = of.source;
  return {
    key,
    params: {},
    record: { name, version, migrate: {}, migrateDown: {} },
    written: null,
    pass: (value) => passSchema(schema, value),
  };
}
