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
  | { readonly issues: readonly { readonly message: string }[] };

/**
 * Passes a value through a schema: what comes out, or why not. One that throws, or wants to be waited for, has not let it
 * pass (records.md §5).
 */
export function passSchema<Output>(
  schema: StandardSchema<Output>,
  value: unknown,
): { readonly value: Output } | { readonly issue: string } {
  try {
    const result = schema['~standard'].validate(value);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      return { issue: 'the schema is asynchronous' };
    }
    if (result.issues === undefined) return { value: result.value };
    return { issue: result.issues[0]?.message ?? 'invalid' };
  } catch (error) {
    return { issue: error instanceof Error ? error.message : String(error) };
  }
}
