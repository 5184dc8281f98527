import { adminOperations } from './admin.ts';
import { entryOperations } from './entries.ts';
import { examples } from './examples.ts';
import { fileOperations } from './files.ts';
import { historyOperations } from './history.ts';
import type { Operation } from './operation.ts';
import type { Schema } from './schema.ts';
import { ref, schemas } from './schemas.ts';
import { webhookOperations } from './webhooks.ts';

/** Every operation of the HTTP API. */
export const operations: readonly Operation[] = [
  ...entryOperations,
  ...historyOperations,
  ...fileOperations,
  ...adminOperations,
  ...webhookOperations,
];

const errorNames: { readonly [status: number]: string } = {
  400: 'The request is not one: a parameter, a path or the body.',
  401: 'The token is missing, unknown, expired or revoked.',
  402: 'A quota is used up.',
  403: 'The token may not do this; `reason` says why.',
  404: 'There is no such thing, or the token may not know of it.',
  408: 'The body did not come in time.',
  409: 'The state of the store forbids it.',
  412: 'A condition does not hold.',
  413: 'It is too large.',
  415: 'The body has another type.',
  416: 'No such range.',
  422: 'The value is none that can be stored.',
  426: 'Another protocol is spoken for this: `ws_url` says where.',
  429: 'Too much at once: wait as `Retry-After` says.',
  503: 'Not now: try again.',
};

const parameterSchemas: { readonly [name: string]: Schema } = {
  path: { type: 'string', description: 'The rest of the URL, each segment percent-encoded.' },
  hash: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
};

/** The OpenAPI 3.1 document of a server (stores.md §15.2.2). */
export function openApiDocument(version: string): { readonly [field: string]: unknown } {
  const paths: { [path: string]: { [method: string]: object } } = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Holdfast',
      version,
      description: 'Live state over HTTP. The same stores are served over WebSocket.',
    },
    // Where the document is: below a path of a proxy, too.
    servers: [{ url: '.' }],
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
    security: [{ bearer: [] }],
  };
}

function describe(operation: Operation): object {
  const { id, summary, scope, body } = operation;
  const parameters = [
    ...pathParameters(operation),
    ...queryParameters(operation),
    ...headersOf(operation),
  ];
  return {
    operationId: id,
    summary,
    ...(typeof scope === 'string' && { description: `Needs the scope \`${scope}\`.` }),
    ...(scope === null && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { [body.type]: contentOf(operation, body.schema) } },
    }),
    responses: responsesOf(operation),
  };
}

function contentOf({ id }: Operation, schema: Schema): object {
  const example = examples[id.replace(/ByQuery$/, '')];
  return { schema, ...(example !== undefined && { example }) };
}

function pathParameters({ path }: Operation): readonly object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: parameterSchemas[name] ?? { type: 'string' },
  }));
}

function queryParameters({ path, query = {} }: Operation): readonly object[] {
  return Object.entries(query).map(([name, schema]) => ({
    name,
    in: 'query',
    required: name === 'from_seq' || (name === 'path' && /\/(entry|file)$/.test(path)),
    schema,
  }));
}

function headersOf({ headers = [] }: Operation): readonly object[] {
  return headers.map((name) => ({ name, in: 'header', schema: { type: 'string' } }));
}

function responsesOf({ answers, errors = [], scope, body }: Operation): object {
  const told = Object.entries(answers).map(([status, { says, type, schema }]) => [
    status,
    {
      description: says,
      ...(type !== undefined && {
        content: Object.fromEntries([type].flat().map((each) => [each, { schema: schema ?? {} }])),
      }),
    },
  ]);
  const usual = scope === null ? [] : [401, 403, 404, 429, 503];
  const refused = [...usual, ...(body ? [408] : []), ...errors]
    .filter((status) => answers[String(status)] === undefined)
    .map((status) => [
      String(status),
      {
        description: errorNames[status] ?? 'Refused.',
        content: { 'application/json': { schema: ref('Error') } },
      },
    ]);
  return Object.fromEntries([...told, ...refused]);
}
