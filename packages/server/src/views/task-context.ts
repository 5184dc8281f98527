import type { CommandContext } from './context.ts';
import type { LoaderDeclaration } from './loader.ts';

/** What goes by a name that is not known. */
type Named<Value> = { readonly [name: string]: Value };

/** A schema of something that is not known. */
type SomeSchema = { readonly '~standard': { readonly types?: { readonly input: object } } };

/** What a view declares that is not known: whatever is named may be there. */
type AnyFacets = {
  readonly env: {};
  readonly scope: 'connection';
  readonly params: unknown;
  readonly streams: Named<{ readonly '~item'?: object }>;
  readonly uploads: Named<unknown>;
  readonly events: Named<SomeSchema>;
  readonly async: Named<LoaderDeclaration<unknown, unknown>>;
  readonly emits: Named<SomeSchema>;
};

/**
 * What a task has at hand that is written apart from its view: it knows no names, which are looked at as it runs. An
 * interface, so that it is named and not spelt out.
 */
export interface AnyContext extends CommandContext<AnyFacets, unknown> {}
