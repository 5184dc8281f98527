import type { Transaction } from '@holdfast/client';
import { isObject, type Json, type JsonObject } from '@holdfast/protocol';
import { misuse } from './failure.ts';

type Collect = (tx: Transaction) => void;

/** What a JSON transaction asks for; whatever is not understood is refused, for to leave it out would change the rest. */
export function readTransaction(json: Json): Collect {
  const { ops, preconditions = [] }: JsonObject = Array.isArray(json)
    ? { ops: json }
    : readWhole(json);
  if (!Array.isArray(ops) || ops.length === 0) throw misuse('A transaction needs at least one op.');
  if (!Array.isArray(preconditions)) throw misuse('"preconditions" must be an array.');
  const steps = [...preconditions.map(readPrecondition), ...ops.map(readOp)];
  return (tx) => {
    for (const step of steps) step(tx);
  };
}

function readWhole(json: Json): JsonObject {
  if (!isJsonObject(json)) throw misuse('A transaction is a JSON array of ops, or an object.');
  checkFields(json, ['ops', 'preconditions'], 'The transaction');
  return json;
}

function readOp(json: Json, index: number): Collect {
  const where = `Op ${index}`;
  const op = readObject(json, where);
  const path = readPath(op, where);
  const { value } = op;
  const verb = typeof op['op'] === 'string' ? op['op'] : '';
  const known = ['op', 'path', 'value'];
  switch (verb) {
    case 'put':
    case 'set': {
      checkFields(op, [...known, 'if_match', 'if_absent'], where);
      const put = needValue(value, where);
      const options = { ...readMatch(op, where), ...readAbsent(op, where) };
      return (tx) => tx.put(path, put, options);
    }
    case 'delete': {
      checkFields(op, ['op', 'path', 'if_match'], where);
      const options = readMatch(op, where);
      return (tx) => tx.delete(path, options);
    }
    case 'merge': {
      checkFields(op, known, where);
      if (!isJsonObject(value)) throw misuse(`${where}: merge needs an object as "value".`);
      return (tx) => tx.merge(path, value);
    }
    case 'increment': {
      checkFields(op, known, where);
      const by = readNumber(value ?? 1, `${where}: "value"`);
      return (tx) => tx.increment(path, by);
    }
    case 'add':
    case 'remove': {
      checkFields(op, known, where);
      const member = needValue(value, where);
      return (tx) => tx[verb](path, member);
    }
    default:
      throw misuse(`${where}: "op" must be put, delete, merge, increment, add or remove.`);
  }
}

function readPrecondition(json: Json, index: number): Collect {
  const where = `Precondition ${index}`;
  const condition = readObject(json, where);
  const { fence, equals } = condition;
  if (fence !== undefined) {
    checkFields(condition, ['fence'], where);
    const { key, token } = readObject(fence, where);
    if (typeof key !== 'string') throw misuse(`${where}: "fence" needs a "key" and a "token".`);
    const held = { key, token: readNumber(token, `${where}: "token"`) };
    return (tx) => tx.fence(held);
  }
  const path = readPath(condition, where);
  checkFields(condition, ['path', 'if_match', 'if_absent', 'exists', 'equals'], where);
  if (Object.keys(condition).length !== 2) {
    throw misuse(`${where}: beside "path" give one of if_match, if_absent, exists, equals.`);
  }
  if (equals !== undefined) return (tx) => tx.equals(path, equals);
  const { ifMatch } = readMatch(condition, where);
  if (ifMatch !== undefined) return (tx) => tx.ifMatch(path, ifMatch);
  if (condition['if_absent'] === true) return (tx) => tx.ifAbsent(path);
  if (condition['exists'] === true) return (tx) => tx.exists(path);
  throw misuse(`${where}: "if_absent" and "exists" can only be true.`);
}

function readObject(json: Json | undefined, where: string): JsonObject {
  if (isJsonObject(json)) return json;
  throw misuse(`${where} must be a JSON object.`);
}

function isJsonObject(json: Json | undefined): json is JsonObject {
  return isObject(json);
}

function readPath(object: JsonObject, where: string): string {
  const { path } = object;
  if (typeof path === 'string') return path;
  throw misuse(`${where}: "path" must be a string.`);
}

function readMatch(object: JsonObject, where: string): { ifMatch?: number } {
  const { if_match: revision } = object;
  return revision === undefined ? {} : { ifMatch: readNumber(revision, `${where}: "if_match"`) };
}

function readAbsent(object: JsonObject, where: string): { ifAbsent?: true } {
  const { if_absent: absent } = object;
  if (absent === undefined) return {};
  if (absent === true) return { ifAbsent: true };
  throw misuse(`${where}: "if_absent" can only be true.`);
}

function readNumber(json: Json | undefined, what: string): number {
  if (typeof json === 'number') return json;
  throw misuse(`${what} must be a number.`);
}

function needValue(json: Json | undefined, where: string): Json {
  if (json !== undefined) return json;
  throw misuse(`${where} needs a "value".`);
}

function checkFields(object: JsonObject, known: readonly string[], where: string): void {
  const unknown = Object.keys(object).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  throw misuse(`${where} has no field "${unknown}".`, `It has: ${known.join(', ')}.`);
}
