import {
  type Issue,
  type Path,
  type RecordDef,
  type Refusal,
  refuse,
  type SchemaResult,
  type StandardSchema,
} from '@holdfast/protocol';
import { failedGate } from '@holdfast/protocol/record';

type Named = Pick<RecordDef, 'name'>;

/** The refusal of a write whose result its schema does not let pass (records.md §5). */
export function schemaRefusal({ name }: Named, path: Path, issues: readonly Issue[]): Refusal {
  return refuse('invalid_value', { record: name, path, issues });
}

/** What a schema that may take its time says of a value; one that throws has not let it pass. */
export function passLater(
  def: Named,
  path: Path,
  { schema, value }: { readonly schema: StandardSchema<unknown>; readonly value: unknown },
): Refusal | null | Promise<Refusal | null> {
  const judge = ({ issues }: SchemaResult<unknown>): Refusal | null =>
    issues === undefined ? null : schemaRefusal(def, path, failedGate(issues).issues);
  const fail = (error: unknown): Refusal => {
    const message = error instanceof Error ? error.message : String(error);
    return schemaRefusal(def, path, [{ message, path: [] }]);
  };
  try {
    const result = schema['~standard'].validate(value);
    return result instanceof Promise ? result.then(judge, fail) : judge(result);
  } catch (error) {
    return fail(error);
  }
}
