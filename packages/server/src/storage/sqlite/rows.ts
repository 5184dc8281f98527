import type { SQLOutputValue } from 'node:sqlite';
import {
  asPath,
  asStoreName,
  type Entry,
  isObject,
  type Json,
  type LeafType,
  type OpName,
  opNames,
  type Path,
  type WriteReply,
} from '@holdfast/protocol';
import type {
  Answer,
  AuditRow,
  Delivery,
  LoggedOp,
  StoreRow,
  TokenRow,
  WebhookRow,
} from '../port.ts';
import { corruptFile } from './faults.ts';

/** A row as node:sqlite returns it. */
export type Row = { readonly [column: string]: SQLOutputValue };

/** Reads rows of one file; whatever is not as it was written is a corrupt file, never a strange value. */
export class RowReader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  text(row: Row, column: string): string {
    const value = row[column];
    return typeof value === 'string' ? value : this.#damaged(column, value);
  }

  textOrNull(row: Row, column: string): string | null {
    return row[column] === null ? null : this.text(row, column);
  }

  integer(row: Row, column: string): number {
    const value = row[column];
    return typeof value === 'number' && Number.isSafeInteger(value)
      ? value
      : this.#damaged(column, value);
  }

  integerOrNull(row: Row, column: string): number | null {
    return row[column] === null ? null : this.integer(row, column);
  }

  path(row: Row): Path {
    const path = this.text(row, 'path');
    return path === '' ? this.#damaged('path', path) : asPath(path);
  }

  json(row: Row, column: string): Json {
    const text = this.text(row, column);
    try {
      const value: Json = JSON.parse(text);
      return value;
    } catch {
      return this.#damaged(column, text);
    }
  }

  jsonOrNull(row: Row, column: string): Json {
    return row[column] === null ? null : this.json(row, column);
  }

  entry(row: Row): Entry {
    return {
      path: this.path(row),
      value: this.json(row, 'value'),
      type: this.#leafType(row['type']),
      revision: this.integer(row, 'revision'),
    };
  }

  op(row: Row): LoggedOp {
    return {
      seq: this.integer(row, 'seq'),
      op: this.#opName(row['op']),
      path: this.path(row),
      value: this.jsonOrNull(row, 'value'),
      arg: this.jsonOrNull(row, 'arg'),
      deviceId: this.text(row, 'device_id'),
      clientOpId: this.text(row, 'client_op_id'),
      tx: this.integerOrNull(row, 'tx'),
      at: this.integer(row, 'at'),
      principal: this.textOrNull(row, 'principal'),
      removed: row['removed'] === null ? [] : this.#removed(row),
    };
  }

  answer(row: Row): Answer {
    const reply: unknown = this.jsonOrNull(row, 'reply');
    if (reply !== null && !isReply(reply)) return this.#damaged('reply', row['reply']);
    const principal = askerIn(this.textOrNull(row, 'principal'));
    return {
      deviceId: this.text(row, 'device_id'),
      opId: this.text(row, 'op_id'),
      fingerprint: this.integer(row, 'fingerprint'),
      seq: this.integer(row, 'seq'),
      at: this.integer(row, 'at'),
      reply,
      ...(principal !== undefined && { principal }),
    };
  }

  store(row: Row): StoreRow {
    const status = row['status'];
    if (status !== 'active' && status !== 'archived') return this.#damaged('status', status);
    return {
      id: this.text(row, 'id'),
      name: asStoreName(this.text(row, 'name')),
      status,
      incarnation: this.text(row, 'incarnation'),
      insertedAt: this.integer(row, 'inserted_at'),
      expiresAt: this.integerOrNull(row, 'expires_at'),
    };
  }

  token(row: Row): TokenRow {
    return {
      id: this.text(row, 'id'),
      hash: this.text(row, 'hash'),
      last4: this.text(row, 'last4'),
      name: this.text(row, 'name'),
      org: this.text(row, 'org'),
      creator: this.textOrNull(row, 'creator'),
      scopes: this.#strings(this.json(row, 'scopes'), 'scopes'),
      storeAccess: this.#storeAccess(row),
      pathRules: this.#pathRules(row),
      presence: row['presence'] === null ? null : this.integer(row, 'presence') === 1,
      limits: this.#limits(row),
      insertedAt: this.integer(row, 'inserted_at'),
      expiresAt: this.integerOrNull(row, 'expires_at'),
      revokedAt: this.integerOrNull(row, 'revoked_at'),
      lastUsedAt: this.integerOrNull(row, 'last_used_at'),
    };
  }

  facts(row: Row, column: string): AuditRow['details'] {
    const facts = this.json(row, column);
    return isFacts(facts) ? facts : this.#damaged(column, row[column]);
  }

  webhook(row: Row): WebhookRow {
    const ops = this.jsonOrNull(row, 'ops');
    return {
      id: this.text(row, 'id'),
      store: this.text(row, 'store_id'),
      url: this.text(row, 'url'),
      secret: this.text(row, 'secret'),
      patterns: this.#strings(this.json(row, 'patterns'), 'patterns'),
      ops: ops === null ? null : this.#strings(ops, 'ops'),
      insertedAt: this.integer(row, 'inserted_at'),
      cursor: this.integer(row, 'cursor'),
      inactiveReason: this.textOrNull(row, 'inactive_reason'),
      failures: this.integer(row, 'failures'),
      retryAt: this.integerOrNull(row, 'retry_at'),
    };
  }

  delivery(row: Row): Delivery {
    return {
      id: this.text(row, 'id'),
      seq: this.integer(row, 'seq'),
      statusCode: this.integerOrNull(row, 'status_code'),
      responseMs: this.integer(row, 'response_ms'),
      error: this.textOrNull(row, 'error'),
      at: this.integer(row, 'at'),
    };
  }

  #storeAccess(row: Row): TokenRow['storeAccess'] {
    const ids = this.jsonOrNull(row, 'store_access');
    return ids === null
      ? { mode: 'all' }
      : { mode: 'selected', storeIds: this.#strings(ids, 'store_access') };
  }

  #pathRules(row: Row): TokenRow['pathRules'] {
    const rules = this.jsonOrNull(row, 'path_rules');
    if (rules === null) return null;
    return this.#list(rules, 'path_rules').map((rule) => {
      const [pattern, allow] = this.#list(rule, 'path_rules');
      if (typeof pattern !== 'string') return this.#damaged('path_rules', row['path_rules']);
      return { pattern, allow: this.#strings(allow ?? null, 'path_rules') };
    });
  }

  #limits(row: Row): TokenRow['limits'] {
    const limits = this.jsonOrNull(row, 'limits');
    return limits === null || isNumbers(limits) ? limits : this.#damaged('limits', row['limits']);
  }

  #removed(row: Row): Entry[] {
    return this.#list(this.json(row, 'removed'), 'removed').map((item) => {
      const [path, value = null, type, revision] = this.#list(item, 'removed');
      if (typeof path !== 'string' || typeof revision !== 'number') {
        return this.#damaged('removed', row['removed']);
      }
      return { path: asPath(path), value, type: this.#leafType(type), revision };
    });
  }

  #leafType(value: unknown): LeafType {
    // One text for all leaves of a type: each row brings another, and an open store has millions.
    return leafTypes.get(value) ?? this.#damaged('type', value);
  }

  #opName(value: unknown): OpName {
    return isOpName(value) ? value : this.#damaged('op', value);
  }

  #list(value: Json, column: string): readonly Json[] {
    return Array.isArray(value) ? value : this.#damaged(column, value);
  }

  #strings(value: Json, column: string): readonly string[] {
    return this.#list(value, column).map((item) =>
      typeof item === 'string' ? item : this.#damaged(column, item),
    );
  }

  #damaged(column: string, value: unknown): never {
    const shown = String(value).slice(0, 40);
    throw corruptFile(this.#file, `column ${column} of a row holds "${shown}"`);
  }
}

/** The leaves that an op removed, as the log keeps them; null for none. */
export function removedText(op: LoggedOp): string | null {
  if (op.removed.length === 0) return null;
  return JSON.stringify(
    op.removed.map(({ path, value, type, revision }) => [path, value, type, revision]),
  );
}

/** Whose an answer or a device is, as its row says it; null where that was not noted. */
export function askerText(asker: Answer['principal']): string | null {
  if (asker === undefined) return null;
  return asker === null ? '' : `=${asker}`;
}

/** What {@link askerText} has made such a text of. */
export function askerIn(text: string | null): Answer['principal'] {
  if (text === null) return undefined;
  return text === '' ? null : text.slice(1);
}

const typeNames: { readonly [type in LeafType]: type } = {
  null: 'null',
  boolean: 'boolean',
  string: 'string',
  integer: 'integer',
  float: 'float',
  list: 'list',
  map: 'map',
  decimal: 'decimal',
  datetime: 'datetime',
  bigint: 'bigint',
  bytes: 'bytes',
  file: 'file',
  lease: 'lease',
  counter: 'counter',
  set: 'set',
};
const leafTypes: ReadonlyMap<unknown, LeafType> = new Map(Object.entries(typeNames));
const opNameSet: ReadonlySet<unknown> = new Set(opNames);

function isOpName(value: unknown): value is OpName {
  return opNameSet.has(value);
}

function isReply(value: unknown): value is WriteReply {
  return isObject(value) && (typeof value['store_seq'] === 'number' || value['released'] === false);
}

function isNumbers(value: Json): value is { readonly [name: string]: number } {
  return isObject(value) && Object.values(value).every((each) => typeof each === 'number');
}

function isFacts(value: Json): value is AuditRow['details'] {
  return (
    isObject(value) &&
    Object.values(value).every((each) => typeof each !== 'object' || each === null)
  );
}
