import type { HoldfastError } from '../errors.ts';
import { RejectedError } from '../errors.ts';
import { canonicalJson } from '../record/canonical.ts';
import { encodeExact } from '../record/exact.ts';
import {
  isAsyncSchema,
  isSchema,
  passSchema,
  type SchemaOutput,
  type StandardSchema,
} from './schema.ts';
import { parseVersion } from './version.ts';

/** A read-only record that opaque server code computes (records.md §15); made by {@link source}. */
export interface SourceDef<T extends SourceTypes = SourceTypes> {
  readonly kind: 'source';
  readonly name: T['name'];
  readonly params: StandardSchema<T['params']>;
  readonly schema: StandardSchema<T['out']>;
  readonly version: string;
  /** Only for the compiler. */
  readonly types?: T;
  /** Its key on transports (records.md §2.7). */
  key(params: T['params']): string;
}

/** What the type of a source definition says. */
export type SourceTypes = {
  readonly name: string;
  readonly params: unknown;
  readonly out: unknown;
};

const nameShape = /^[a-z][a-z0-9_.-]{0,63}$/;

/** Declares a source. Throws a `TypeError` for what cannot be one. */
export function source<
  const N extends string,
  P extends StandardSchema<unknown>,
  S extends StandardSchema<unknown>,
>(spec: {
  readonly name: N;
  readonly params: P;
  readonly schema: S;
  readonly version: string;
}): SourceDef<{
  readonly name: N;
  readonly params: SchemaOutput<P>;
  readonly out: SchemaOutput<S>;
}> {
  const { name, params, schema, version } = spec;
  if (typeof name !== 'string' || !nameShape.test(name)) {
    throw new TypeError('source: "name" must be a non-empty string of a-z 0-9 _ . -.');
  }
  for (const [what, each] of Object.entries({ params, schema })) {
    if (!isSchema(each)) throw new TypeError(`source: "${what}" must be a Standard Schema.`);
    if (isAsyncSchema(each)) throw asynchronous(what);
  }
  const at = parseVersion(version);
  if (at === null) throw new TypeError('source: "version" must be like "3.1".');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types are those of the schemas
  return Object.freeze({
    kind: 'source',
    name,
    params,
    schema,
    version: `${at.major}.${at.minor}`,
    key(given: unknown) {
      const passed = passSchema(params, given);
      if ('issue' in passed) throw new RejectedError('invalid_params', { issues: passed.issues });
      return `src/${name}/${canonicalJson(encodeExact(given))}`;
    },
  }) as unknown as ReturnType<typeof source<N, P, S>>;
}

function asynchronous(what: string): HoldfastError {
  return new RejectedError('async_schema', {}, `source: "${what}" must not be asynchronous.`);
}
