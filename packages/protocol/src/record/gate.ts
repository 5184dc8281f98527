import type { RecordDef, RecordValue } from '../definitions/record-types.ts';
import { failed, type Issue, passSchema, type Passed, saidBy } from '../definitions/schema.ts';
import { RejectedError } from '../errors.ts';
import { isObject, type Json, type JsonObject } from '../json.ts';
import { utf8Length } from '../utf8.ts';
import { decodeStored, encodeStored } from './stored.ts';

/** Bytes of one object (records.md §19). */
export const objectBytesMax: number = 256 * 1024;

/** What a gate needs of a definition. */
type Gated = Pick<RecordDef, 'name' | 'schema' | 'stored'>;

/** What is shown for a stored object: the schema's output, or what is wrong with it (records.md §5). Never throws. */
export function passRecord(def: Gated, json: Json): Passed<RecordValue> {
  try {
    return passObject(def, decodeStored(json));
  } catch (error) {
    return failed([{ message: saidBy(error) }]);
  }
}

/** {@link passRecord} of a value that is decoded. */
export function passObject(def: Gated, value: unknown): Passed<RecordValue> {
  if (!isObject(value)) return failed([{ message: 'a record is an object' }]);
  const passed = passSchema(def.schema, value);
  if ('issue' in passed) return passed;
  if (isObject(passed.value)) return { value: passed.value };
  return failed([{ message: 'the schema gave no object' }]);
}

/**
 * The form in which a value is stored (records.md §3.4), with what is then shown: the schema's output, or what was given for
 * `stored: 'input'`. Throws `invalid_value` with the issues where it does not pass, or would not pass when read back.
 */
export function storedForm(
  def: Gated,
  value: unknown,
): { readonly stored: JsonObject; readonly shown: RecordValue } {
  // A schema may change what it is given.
  const input = def.stored === 'input' ? encoded(value) : null;
  const given = passObject(def, value);
  if ('issue' in given) throw invalidRecord(def, given.issues);
  const stored = input === null ? encodeStored(given.value) : input();
  if (!isObject(stored)) throw invalidRecord(def, [{ message: 'a record is an object', path: [] }]);
  if (utf8Length(JSON.stringify(stored)) > objectBytesMax) {
    throw new RejectedError('value_too_large', { limit: objectBytesMax });
  }
  const back = passRecord(def, stored);
  if ('issue' in back) throw invalidRecord(def, [unstable, ...back.issues]);
  return { stored, shown: back.value };
}

/** The JSON of a value as it is now; what speaks against that is thrown when it is asked for. */
function encoded(value: unknown): () => Json {
  try {
    const json = encodeStored(value);
    return () => json;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

const unstable: Issue = { message: "schema is not stable; use stored:'input'", path: [] };

/** The error of a write whose result does not pass the schema. */
export function invalidRecord(
  { name }: Pick<RecordDef, 'name'>,
  issues: readonly Issue[],
  path?: string,
): RejectedError {
  const details = { record: name, ...(path !== undefined && { path }), issues };
  const [first] = issues;
  const where = first === undefined || first.path.length === 0 ? '' : ` at ${first.path.join('.')}`;
  const message = `invalid_value: record "${name}"${where}: ${first?.message ?? 'invalid'}`;
  return new RejectedError('invalid_value', details, message);
}
