import type { EpochMs, OpId, Path, StoreName } from '../brand.ts';
import type { SchemaInput, SchemaOutput, StandardSchema } from './schema.ts';
import type { ParamNames } from './template.ts';

/** A plain object as a record holds it. */
export type RecordValue = { readonly [field: string]: unknown };

/** Whose an object is: no client's; the last writer's; or what merges two writers (records.md §12). */
export type Authority =
  | 'server'
  | 'lww'
  // A method, so that the merge of any field is one.
  | { merge(mine: unknown, theirs: unknown, base: unknown): unknown }['merge'];

/** Merges what two have written; pure and deterministic (records.md §12). */
export type Merge<V> = (mine: V, theirs: V, base: V | undefined) => V;

/**
 * Makes an object of another major one of the next, or of the one before; pure and deterministic, for it is asked several times
 * for one object: of a patch that waits also about parts of an object, about nothing, and about other values than were written
 * (records.md §11.5). What it throws says that it cannot. A method, so that a caller may name the shape.
 */
export type Migration = { migrate(other: RecordValue): unknown }['migrate'];

/** By source major (records.md §3.5). */
export type Migrations = { readonly [major: string]: Migration };

/** On whose behalf something is judged, and when (records.md §1). */
export type RecordContext = {
  readonly principal: {
    /** Who it is; null: anonymous. */
    readonly subject: string | null;
    /** The id of the issued token that was shown; null where it was none, absent where a server's own code asks as somebody. */
    readonly tokenId?: string | null;
    readonly [member: string]: unknown;
  };
  readonly now: EpochMs;
};

/** What a visibility rule sees (records.md §17). */
export type ViewContext<Names = TemplateRecord, V = RecordValue> = RecordContext & {
  readonly params: Names;
  readonly value: Readonly<Partial<V>>;
};

type TemplateRecord = { readonly [name: string]: string };

/** What a mutation knows of its request. */
export type MutationEnv = { readonly opId: OpId; readonly now: EpochMs };

/** A named change of a record, the same on both sides (records.md §11.2). */
export type Mutation = {
  readonly input?: StandardSchema<unknown>;
  apply(current: RecordValue | undefined, input: unknown, env: MutationEnv): unknown;
};

/** What the type of a record definition says. */
export type RecordTypes = {
  readonly name: string;
  readonly params: object;
  /** As it is written. */
  readonly stored: object;
  /** As it is shown. */
  readonly out: object;
  /** The schemas of the mutations' inputs. */
  readonly inputs: object;
};

/** One record of a definition: which store, which path. */
export type RecordRef<R extends RecordDef = RecordDef> = {
  readonly record: R;
  readonly params: Params<R>;
  readonly store: StoreName;
  readonly path: Path;
  readonly key: string;
};

/** A record definition, made by `record` and frozen (records.md §2). */
export interface RecordDef<T extends RecordTypes = RecordTypes> {
  readonly kind: 'record';
  readonly name: T['name'];
  /** A template, as is the path. */
  readonly store: string;
  readonly path: string;
  readonly schema: StandardSchema<T['out']>;
  readonly stored: 'output' | 'input';
  /** `major.minor`, or `*`. */
  readonly version: string;
  readonly params: StandardSchema<unknown> | null;
  readonly migrate: Migrations;
  readonly migrateDown: Migrations;
  readonly authority: { readonly [field: string]: Authority } | null;
  readonly visibility: { readonly [field: string]: (context: never) => unknown } | null;
  readonly mutations: { readonly [name: string]: Mutation };
  readonly conflict: 'rebase' | 'detect';
  /** The fields of each index that is declared. */
  readonly indexes: readonly (readonly string[])[];
  /** Only for the compiler. */
  readonly types?: T;
  /** The record with these parameters; throws `invalid_params`. */
  ref(params: T['params']): RecordRef<this>;
  /** Its key in registries and on transports (records.md §2.7). */
  key(params: T['params']): string;
  /** The parameters of the record whose object is at a path; those of its store where that is given. Null: it is of no such record. */
  match(path: string, store?: string): T['params'] | null;
}

type TypesOf<R> = R extends { readonly types?: infer T } ? NonNullable<T> : never;

/** The parameters of a record. */
export type Params<R> = TypesOf<R> extends { readonly params: infer P } ? P : never;

/** A record's value as it is written. */
export type Stored<R> = TypesOf<R> extends { readonly stored: infer V } ? V : never;

/** A record's value as it is shown. */
export type Out<R> = TypesOf<R> extends { readonly out: infer V } ? V : never;

/** The names of a record's mutations. */
export type MutationName<R> =
  TypesOf<R> extends { readonly inputs: infer I } ? Extract<keyof I, string> : never;

/** What goes into a mutation of a record. */
export type MutationInput<R, M extends string> =
  TypesOf<R> extends { readonly inputs: infer I } ? InputAt<I, M> : never;

type InputAt<I, M> = M extends keyof I
  ? I[M] extends StandardSchema<unknown>
    ? SchemaInput<I[M]>
    : unknown
  : never;

/** The stored form by schema and choice (records.md §3.4). */
export type ValueOf<S, F> = F extends 'input' ? Objects<SchemaInput<S>> : Objects<SchemaOutput<S>>;

type Objects<V> = V extends object ? V : RecordValue;

/** The top-level members that a record may have. */
export type Field<V> = V extends unknown ? Extract<keyof V, string> : never;

/** What conditions compare. */
export type Scalar = null | boolean | number | string | bigint | Date;

/** Those of them that conditions are on, and indexes. */
export type ScalarField<V> = V extends unknown
  ? { [K in Field<V>]-?: NonNullable<V[K]> extends Scalar ? K : never }[Field<V>]
  : never;

/** What is at a field, in those of a union that have it. */
type MemberOf<V, K> = V extends unknown ? (K extends keyof V ? V[K] : never) : never;

/** The types of the definition that a spec makes. */
export type TypesOfSpec<N extends string, Templates extends string, S, F, I extends object> = {
  readonly name: N;
  readonly params: { readonly [Name in ParamNames<Templates>]: string };
  readonly stored: ValueOf<S, F>;
  readonly out: Objects<SchemaOutput<S>>;
  readonly inputs: I;
};

declare const nowhere: unique symbol;

/**
 * What no value is. When the compiler reads what a mutation returns, it does not know yet what the schema says of it, and makes
 * a string of `state: 'sent'`; where there might be a literal it leaves it one.
 */
type Literals = { readonly [nowhere]: never; readonly [field: string]: Literal };
type Literal =
  | ''
  | 0
  | 0n
  | true
  | null
  | Literals
  | readonly Literal[]
  | readonly [Literal, ...Literal[]];

/** What `record` takes (records.md §2). */
export type RecordSpec<
  N extends string,
  St extends string,
  P extends string,
  S,
  F extends 'output' | 'input',
  I extends object,
> = {
  /** `[a-z][a-z0-9_.-]{0,63}`. */
  readonly name: N;
  /** A store name; it and the path may contain `:param` segments. */
  readonly store: St;
  readonly path: P;
  readonly schema: S;
  /** What is stored: what comes out of the schema (default), or what goes in, for schemas that transform types. */
  readonly stored?: F;
  /** `major.minor`; `*`, with `passthrough` only, switches the version gate off. */
  readonly version: string;
  readonly params?: StandardSchema<{ readonly [Name in ParamNames<St | P>]: string }>;
  readonly migrate?: Migrations;
  readonly migrateDown?: Migrations;
  readonly authority?: {
    readonly [K in Field<ValueOf<S, F>>]?: 'server' | 'lww' | Merge<MemberOf<ValueOf<S, F>, K>>;
  };
  readonly visibility?: {
    readonly [K in Field<ValueOf<S, F>> | '*']?: (
      context: ViewContext<{ readonly [Name in ParamNames<St | P>]: string }, ValueOf<S, F>>,
    ) => boolean;
  };
  readonly mutations?: {
    readonly [K in keyof I]: {
      readonly input?: I[K];
      apply(
        current: ValueOf<S, F> | undefined,
        input: I[K] extends StandardSchema<unknown> ? SchemaOutput<I[K]> : unknown,
        env: MutationEnv,
      ): ValueOf<S, F> | undefined | Literals;
    };
  };
  /** Whether writes are rebased (default), or refused where somebody else came first (records.md §11.4). */
  readonly conflict?: 'rebase' | 'detect';
  /**
   * By what the server finds the rows of collections, each a field or several. A query whose `where` says what the first
   * fields are, or compares the next one, looks only at the objects that fit; one that says no more, and is in the order of
   * the rest, holds no more than its window. The rows are the same without. Each is made when a query first uses it, and kept
   * as long as the store is open.
   */
  readonly indexes?: readonly (
    | ScalarField<ValueOf<S, F>>
    | readonly [ScalarField<ValueOf<S, F>>, ...ScalarField<ValueOf<S, F>>[]]
  )[];
};
