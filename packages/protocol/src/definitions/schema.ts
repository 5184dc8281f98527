import { isObject } from '../json.ts';

/** What validates: Zod, Valibot, ArkType and others speak it (Standard Schema 1). */
export type StandardSchema<Output, Input = unknown> = {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
};

/** What a schema says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that a schema finds wrong, and where. */
export type SchemaIssue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
};

/** What comes out of a schema. */
export type SchemaOutput<S> =
  S extends StandardSchema<unknown> ? NonNullable<S['~standard']['types']>['output'] : unknown;

/** What goes into a schema. */
export type SchemaInput<S> =
  S extends StandardSchema<unknown> ? NonNullable<S['~standard']['types']>['input'] : unknown;

/** What a gate found wrong, as it travels (records.md §5). */
export type Issue = { readonly message: string; readonly path: readonly (string | number)[] };

/** A value that passed a schema, or why not; `issue` is the first of the `issues`. */
export type Passed<Output> =
  | { readonly value: Output }
  | { readonly issue: string; readonly issues: readonly Issue[] };

/** Whether it is something that validates. */
export function isSchema(schema: unknown): schema is StandardSchema<unknown> {
  if (schema === null || (typeof schema !== 'object' && typeof schema !== 'function')) return false;
  const standard: unknown = '~standard' in schema ? schema['~standard'] : null;
  return isObject(standard) && typeof standard['validate'] === 'function';
}

/**
 * Whether an application gives a promise where a value is asked for. How that ends is nobody's: a rejection without an owner
 * would end the process.
 */
export function isPromised(value: unknown): value is PromiseLike<unknown> {
  if (!isThenable(value)) return false;
  Promise.resolve(value).catch(() => undefined);
  return true;
}

/** Whether it may be waited for: promises of other realms and of libraries are no instances of `Promise`. */
export function isThenable<R>(value: R | PromiseLike<R>): value is PromiseLike<R> {
  return isObject(value) && typeof value['then'] === 'function';
}

/**
 * Whether a schema answers with a promise when it is given nothing; the promise is nobody's (records.md §2.3). One that
 * throws is not asynchronous for that.
 */
export function isAsyncSchema(schema: StandardSchema<unknown>): boolean {
  try {
    return isPromised(schema['~standard'].validate(undefined));
  } catch {
    return false;
  }
}

/**
 * Passes a value through a schema: what comes out, or why not. One that throws, or wants to be waited for, has not let it
 * pass (records.md §5).
 */
export function passSchema<Output>(schema: StandardSchema<Output>, value: unknown): Passed<Output> {
  try {
    const result = schema['~standard'].validate(value);
    if (isPromised(result)) return failed([{ message: 'the schema is asynchronous' }]);
    return result.issues === undefined ? { value: result.value } : failed(result.issues);
  } catch (error) {
    return failed([{ message: saidBy(error) }]);
  }
}

/** What something that was thrown says: anything may be thrown, also what has no text. */
export function saidBy(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'it threw what has no text';
  }
}

/** More are told to nobody: a list in which everything is wrong would be answered by forty times its size. */
export const issuesMax: number = 100;

/** The failed gate of these issues. */
export function failed(found: readonly SchemaIssue[]): {
  readonly issue: string;
  readonly issues: readonly Issue[];
} {
  const issues = found.slice(0, issuesMax).map(({ message, path = [] }) => ({
    // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- it travels, and a schema may say something else than it declares
    message: String(message),
    path: path.map(keyOf),
  }));
  return { issue: issues[0]?.message ?? 'invalid', issues };
}

function keyOf(part: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof part === 'object' ? part.key : part;
  return typeof key === 'number' ? key : String(key);
}
