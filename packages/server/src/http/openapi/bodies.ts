import { opNames } from '@holdfast/protocol';
import {
  fence,
  instant,
  instantOrNull,
  integer,
  list,
  object,
  path,
  pathRules,
  type Schema,
  scopeList,
  seq,
  storeMode,
  text,
  textOrNull,
  value,
} from './schema.ts';

/** The body of a request: what it has beside these fields is refused. */
type Body = Schema & { readonly properties: { readonly [field: string]: Schema } };

function closed(...of: Parameters<typeof object>): Body {
  return { ...object(...of), additionalProperties: false };
}

/** The same of what has a path, which is given by either of its two forms. */
function closedAt(...[properties, optional = []]: Parameters<typeof object>): Body {
  return {
    ...closed({ path, path_segments: list(text), ...properties }, [...forms, ...optional]),
    anyOf: forms.map((form) => ({ required: [form] })),
  };
}

const forms: readonly string[] = ['path', 'path_segments'];
const conditions = { if_match: seq, if_absent: { const: true }, fence };
const optionalConditions: readonly string[] = Object.keys(conditions);
const opsMax = { minItems: 1, maxItems: 1000 };
/** Files have requests of their own. */
const kinds: Schema = { enum: [...opNames.filter((name) => name !== 'put_file'), 'mutate'] };
const ofKinds = {
  // Of leases.
  ttl_ms: integer,
  holder: textOrNull,
  token: integer,
  // Of mutations.
  record: text,
  name: text,
};
const ofToken = {
  scopes: scopeList,
  read: { type: 'boolean' },
  write: { type: 'boolean' },
  store_access_mode: storeMode,
  store_ids: list(text),
  store_names: list(text),
  store_name: text,
  path_rules: pathRules,
  expires_at: instantOrNull,
};

/** What is in the body of a request, or in an op of one: documented, and all that is taken. */
export type BodyName =
  | 'NewStore'
  | 'NewClone'
  | 'EntryWrite'
  | 'EntryDelete'
  | 'BatchRead'
  | 'BatchOp'
  | 'BatchWrite'
  | 'TransactionOp'
  | 'Transaction'
  | 'Rollback'
  | 'NewToken'
  | 'NewWebhook'
  | 'Replay';

/** The schemas of all of them. */
export const bodies: { readonly [name in BodyName]: Body } = {
  NewStore: closed({ name: text, ttl_ms: integer, expires_at: instant }, ['ttl_ms', 'expires_at']),
  NewClone: closed({ name: text }),
  EntryWrite: closedAt({ value, ...conditions }, optionalConditions),
  EntryDelete: closedAt(conditions, optionalConditions),
  BatchRead: closed({ paths: list(path, { maxItems: 1000 }), subtrees: { type: 'boolean' } }, [
    'subtrees',
  ]),
  BatchOp: closedAt({ op: { enum: ['set', 'delete'] }, value, ...conditions }, [
    'value',
    ...optionalConditions,
  ]),
  BatchWrite: closed({ ops: list(named('BatchOp'), opsMax), fence }, ['fence']),
  TransactionOp: closedAt({ op: kinds, value, ...conditions, ...ofKinds }, [
    'value',
    ...optionalConditions,
    ...Object.keys(ofKinds),
  ]),
  Transaction: closed(
    {
      ops: list(named('TransactionOp'), opsMax),
      preconditions: list({ type: 'object' }, { maxItems: 1000 }),
      fence,
    },
    ['preconditions', 'fence'],
  ),
  Rollback: closed({ to_seq: seq, path, path_segments: list(text) }, forms),
  NewToken: closed({ name: text, ...ofToken }, Object.keys(ofToken)),
  NewWebhook: closed(
    { url: text, patterns: list(text, { minItems: 1, maxItems: 64 }), ops: list(text) },
    ['patterns', 'ops'],
  ),
  Replay: closed({ after_seq: seq }),
};

function named(name: 'BatchOp' | 'TransactionOp'): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
