import {
  isThenable,
  type Issue,
  type Path,
  type RecordDef,
  type Refusal,
  refuse,
  saidBy,
  type SchemaResult,
  type StandardSchema,
} from '@holdfast/protocol';
import { failedGate } from '@holdfast/protocol/record';

type Named = Pick<RecordDef, 'name'>;

/** The refusal of a write whose result its schema does not let pass (records.md §5). */
export function schemaRefusal({ name }: Named, path: Path, issues: readonly Issue[]): Refusal {
  return refuse('invalid_value', { record: name, path, issues });
}

const general: Issue = { message: 'The object does not pass.', path: [] };

/** What is hidden of an object from whoever asks. */
export type HiddenParts = {
  /** Its fields, and those of these that would be. */
  readonly fields: (named: readonly string[]) => readonly string[];
  /** Whether what is at a place of it is hidden, or something below that: another record may hide it. */
  readonly isAt: (place: Issue['path']) => boolean;
};

/**
 * The refusal without issues of what is hidden, and without what is said of the object as a whole: what is hidden is not told
 * of by the way (records.md §17).
 */
export function veiledRefusal(refusal: Refusal, { fields, isAt }: HiddenParts): Refusal {
  const { issues } = refusal.details;
  if (!Array.isArray(issues)) return refusal;
  const hidden = fields(issues.flatMap((issue: Issue) => fieldOf(issue) ?? []));
  const isWhole = hidden.length === 0 && !isAt([]);
  const told = issues.flatMap((issue: Issue): Issue[] => {
    const field = fieldOf(issue);
    if (field === null) return [isWhole ? issue : general];
    return hidden.includes(field) || isAt(issue.path) ? [] : [issue];
  });
  return refusal.with({ issues: told });
}

function fieldOf({ path: [field] }: Issue): string | null {
  return field === undefined ? null : String(field);
}

/** What a schema that may take its time says of a value; one that throws has not let it pass. */
export function passLater(
  def: Named,
  path: Path,
  {
    schema,
    value,
    isForServer,
  }: {
    readonly schema: StandardSchema<unknown>;
    readonly value: unknown;
    /** What it says when it fails is for code of the server only: it may tell of anything. */
    readonly isForServer: boolean;
  },
): Refusal | null | Promise<Refusal | null> {
  const judge = ({ issues }: SchemaResult<unknown>): Refusal | null =>
    issues === undefined ? null : schemaRefusal(def, path, failedGate(issues).issues);
  const fail = (error: unknown): Refusal => {
    const message = isForServer ? saidBy(error) : 'The schema failed to judge this.';
    return schemaRefusal(def, path, [{ message, path: [] }]);
  };
  try {
    const result = schema['~standard'].validate(value);
    return isThenable(result) ? Promise.resolve(result).then(judge).catch(fail) : judge(result);
  } catch (error) {
    return fail(error);
  }
}
