import type { RecordValue } from '@holdfast/protocol';
import type { RecordWrite } from '@holdfast/engine/record';
import type { RecordWriteOptions } from './types.ts';

/** The writes of a record, one way to make each (records.md §11.2). */
export abstract class Making<Result> {
  protected abstract emit(write: RecordWrite, options?: RecordWriteOptions): Result;

  set(value: object, options?: RecordWriteOptions): Result {
    return this.emit({ set: copyOf(value) }, options);
  }

  patch(fields: object, options?: RecordWriteOptions): Result {
    return this.emit({ patch: copyOf(fields) }, options);
  }

  increment(field: string | readonly string[], by = 1, options?: RecordWriteOptions): Result {
    return this.emit({ increment: typeof field === 'string' ? [field] : field, by }, options);
  }

  remove(options?: RecordWriteOptions): Result {
    return this.emit({ remove: true }, options);
  }

  mutate(name: string, input?: unknown, options?: RecordWriteOptions): Result {
    return this.emit({ mutate: name, input }, options);
  }
}

/** As it is now, for a conflict may have it made once more. What is no plain object the gate is to refuse. */
function copyOf(value: object | null): RecordValue {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an object has fields
  return (value?.constructor === Object ? { ...value } : value) as RecordValue;
}
