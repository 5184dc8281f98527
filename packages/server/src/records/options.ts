import type { ReadClass, ReadRule, WriteIntent, WriteRule } from '@holdfast/engine/gate';
import type {
  Mutation,
  RecordContext,
  RecordDef,
  RecordRef,
  StandardSchema,
  Stored,
} from '@holdfast/protocol';

/** The server's part of a record (records.md §2). */
export type RecordOptions<R extends RecordDef> = {
  /** Asked after the definition's schema, on what would be stored; may be asynchronous. */
  readonly writeSchema?: StandardSchema<unknown>;
  /** Refines what a principal may read; it sees the whole value. */
  read?(ctx: RecordContext, ref: RecordRef<R>, value: Stored<R>): boolean;
  /**
   * Viewers of equal class see the same rows, so that a query is evaluated once for all of them; default: each principal by
   * itself (records.md §14.2.3). Of an object that nobody of a class sees, `read` is asked anew when it is committed.
   */
  readClass?(ctx: RecordContext): string;
  /** Refines what a principal may write; `current` is what stands there. It may take its time. */
  // oxlint-disable-next-line max-params -- as records.md §2 has it
  write?(
    ctx: RecordContext,
    ref: RecordRef<R>,
    intent: WriteIntent,
    current: Stored<R> | undefined,
  ): boolean | Promise<boolean>;
  /** Mutations that run here in place of the definition's; they may change any field. */
  readonly mutations?: { readonly [name: string]: Mutation };
};

/** The rules of a definition, as they are asked: about records of that definition only. */
export function rulesOf<R extends RecordDef>(
  options: RecordOptions<R>,
): {
  readonly read: ReadRule | null;
  readonly readClass: ReadClass | null;
  readonly write: WriteRule | null;
} {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- refs and values are those of the definition
  const { read, readClass, write } = options as unknown as {
    readonly read?: ReadRule;
    readonly readClass?: ReadClass;
    readonly write?: WriteRule;
  };
  return { read: read ?? null, readClass: readClass ?? null, write: write ?? null };
}
