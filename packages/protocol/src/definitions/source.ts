import { RejectedError } from '../errors.ts';
import { canonicalJson } from '../record/canonical.ts';
import { encodeExact } from '../record/exact.ts';
import { checkMembers, nameRule, type Rule } from './members.ts';
import {
  isAsyncSchema,
  isSchema,
  passSchema,
  type SchemaInput,
  type SchemaOutput,
  type StandardSchema,
} from './schema.ts';
import { checkKey } from './template.ts';
import { parseVersion } from './version.ts';

/** A read-only record that opaque server code computes (records.md §15); made by {@link source}. */
export interface SourceDef<T extends SourceTypes = SourceTypes> {
  readonly kind: 'source';
  readonly name: T['name'];
  readonly params: StandardSchema<T['read']>;
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
  /** As they are asked for. */
  readonly params: unknown;
  /** The parameters as what computes it reads them: as they come out of their schema. */
  readonly read: unknown;
  /** What computing it may come to. */
  readonly result: unknown;
  readonly out: unknown;
};

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
  readonly params: SchemaInput<P>;
  readonly read: SchemaOutput<P>;
  readonly result: SchemaInput<S>;
  readonly out: SchemaOutput<S>;
}> {
  checkMembers('source', spec, rules);
  const { name, params, schema, version } = spec;
  for (const each of [params, schema]) {
    if (isAsyncSchema(each)) throw new RejectedError('async_schema', { source: name });
  }
  const { major = 0, minor = 0 } = parseVersion(version) ?? {};
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the types are those of the schemas
  return Object.freeze({
    kind: 'source',
    name,
    params,
    schema,
    version: `${major}.${minor}`,
    key(given: unknown) {
      const passed = passSchema(params, given);
      if ('issue' in passed) throw new RejectedError('invalid_params', { issues: passed.issues });
      return checkKey(`src/${name}/${canonicalJson(encodeExact(given))}`);
    },
  }) as unknown as ReturnType<typeof source<N, P, S>>;
}

const schemaRule: Rule = [isSchema, 'a Standard Schema'];

const rules: { readonly [member: string]: Rule } = {
  name: nameRule,
  params: schemaRule,
  schema: schemaRule,
  version: [(version) => parseVersion(version) !== null, 'like "3.1"'],
};
