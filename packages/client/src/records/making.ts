import type { RecordValue } from '@holdfast/protocol';
import type { RecordWrite } from '@holdfast/engine/record';
import type { RecordWriteOptions } from './types.ts';

/** The writes of a record, one way to make each (records.md §11.2). */
export abstract class Making<Result> {
  protected abstract emit(write: RecordWrite, options?: RecordWriteOptions): Result;

  set(value: object, options?: RecordWriteOptions): Result {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no plain object the gate refuses
    return this.emit({ set: value as RecordValue }, options);
  }

  patch(fields: object, options?: RecordWriteOptions): Result {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an object has fields
    return this.emit({ patch: fields as RecordValue }, options);
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
