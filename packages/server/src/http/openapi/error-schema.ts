import { refusals } from './names.ts';
import { integer, list, object, path, type Schema, seq, text, textOrNull } from './schema.ts';

/** What stands beside `error` and `reason`; which of them is for each reason to say (stores.md §8). */
const details: { readonly [field: string]: Schema } = {
  detail: text,
  message: text,
  retry_after_ms: integer,
  // Where in the request it is.
  field: text,
  param: text,
  fields: list(text),
  path,
  pattern: text,
  op: text,
  op_index: integer,
  precondition_index: integer,
  issues: { type: 'array' },
  // What stands in the way.
  current_revision: { type: ['integer', 'null'] },
  type: text,
  hash: text,
  holder: textOrNull,
  expires_at: { type: 'integer', description: 'Of a lease: milliseconds since 1970.' },
  oldest_seq: seq,
  earliest_available: seq,
  received: integer,
  scope: text,
  limit: integer,
  dimension: { enum: ['keys', 'file_storage', 'stores'] },
  current: integer,
  // Of records.
  record: text,
  mutation: text,
  stores: list(text),
  client: textOrNull,
  server: textOrNull,
  // Where else to ask.
  ws_url: text,
  docs: text,
  client_op_id: text,
  error_id: { type: 'string', description: 'Finds it in the log of the server.' },
};

/** The body of every refusal. */
export const errorSchema: Schema = object(
  {
    error: {
      type: 'string',
      description: 'What went wrong: a reason of the protocol, or a name of HTTP’s own.',
      examples: ['conflict', 'not_found'],
    },
    reason: { enum: refusals },
    ...details,
  },
  ['reason', ...Object.keys(details)],
);
