import { type Schema, seq, text } from './schema.ts';

/** One operation of the API: the source of its documentation. */
export type Operation = {
  readonly method: 'get' | 'put' | 'post' | 'delete';
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  /** What the token must allow; absent: any token. `null`: no token at all. */
  readonly scope?: string | null;
  readonly query?: { readonly [name: string]: Schema };
  readonly headers?: readonly string[];
  readonly body?: { readonly type: string; readonly schema: Schema };
  readonly answers: { readonly [status: string]: Answer };
  /** The statuses of refusals beside 401, 403, 404 and 429. */
  readonly errors?: readonly number[];
};

type Answer = {
  readonly says: string;
  /** Several where it depends on what is asked for. */
  readonly type?: string | readonly string[];
  readonly schema?: Schema;
};

/** The type of JSON. */
export const json: string = 'application/json';
/** A JSON body. */
export const body = (schema: Schema): { type: string; schema: Schema } => ({ type: json, schema });
/** The answer of success. */
export const ok = (says: string, schema: Schema): { readonly 200: Answer } => ({
  200: { says, type: json, schema },
});
/** A count or a seq. */
export const count: Schema = seq;
/** Rows of a page. */
export const limit: Schema = { type: 'integer', minimum: 1, maximum: 1000, default: 50 };
/** The headers of conditional writes. */
export const conditions: readonly string[] = ['If-Match', 'If-None-Match'];
/** The lease that a write relies on, of routes whose body is the value. */
export const fenceQuery: { readonly fence: Schema } = {
  fence: {
    type: 'string',
    description:
      '`KEY:TOKEN`, such as `jobs/nightly:42`: only while the lease at that path is held with that token.',
  },
};
/** The header that makes repeats harmless. */
export const once: string = 'Idempotency-Key';
/** The header by which a client that writes by sockets as well is known (stores.md §6). */
export const device: string = 'Holdfast-Device';
/** What writes may be refused with. */
export const writeErrors: readonly number[] = [400, 402, 409, 412, 413, 415, 422, 503];
/** A store. */
export const storePath: string = '/api/stores/{org}/{store}';

/** One entry or file is named by the end of the URL, or by `?path=`, which carries what URLs cannot. */
export function byPath(
  folder: 'entries' | 'files',
  operation: Omit<Operation, 'path'>,
): readonly Operation[] {
  const one = folder === 'entries' ? 'entry' : 'file';
  const { query = {} } = operation;
  return [
    { ...operation, path: `${storePath}/${folder}/{path}` },
    {
      ...operation,
      path: `${storePath}/${one}`,
      id: `${operation.id}ByQuery`,
      query: { path: text, ...query },
    },
  ];
}
