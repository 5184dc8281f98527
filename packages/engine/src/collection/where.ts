import {
  asPath,
  checkValue,
  isObject,
  type Json,
  type JsonObject,
  RejectedError,
} from '@holdfast/protocol';
import { canonicalJson } from '@holdfast/protocol/record';
import { compareValues } from './order.ts';

/** Whether an object is meant by a query. */
export type Test = (object: JsonObject) => boolean;

/** Turns the conditions of a checked query into a test (records.md §14). Throws `invalid_query` for what compares with no value. */
export function testOf(where: JsonObject): Test {
  const tests = Object.entries(where).map(([field, condition]) => termOf(field, condition));
  return (object) => tests.every((test) => test(object));
}

/** The fields that conditions look at. */
export function fieldsOf(where: JsonObject): readonly string[] {
  return Object.entries(where).flatMap(([field, condition]) => {
    if (!field.startsWith('$')) return [field];
    const inner = Array.isArray(condition) ? condition : [condition];
    return inner.flatMap((each: Json) => fieldsOf(partOf(each)));
  });
}

function termOf(field: string, condition: Json): Test {
  if (!field.startsWith('$')) {
    const holds = conditionOf(field, condition);
    return (object) => holds(Object.hasOwn(object, field) ? object[field] : undefined);
  }
  const inner = (Array.isArray(condition) ? condition : [condition]).map((each: Json) =>
    testOf(partOf(each)),
  );
  if (field === '$and') return (object) => inner.every((test) => test(object));
  if (field === '$or') return (object) => inner.some((test) => test(object));
  return (object) => !inner.every((test) => test(object));
}

function partOf(value: Json): JsonObject {
  return isObject(value) ? value : {};
}

type Holds = (value: Json | undefined) => boolean;

function conditionOf(field: string, condition: Json): Holds {
  const all = opsOf(condition).map(([op, operand]) => {
    checkOperand(field, operand);
    return opOf(op, operand);
  });
  return (value) => all.every((holds) => holds(value));
}

/** What a condition compares with; a value alone is one to be equal to. */
export function opsOf(condition: Json): readonly (readonly [op: string, operand: Json])[] {
  const isValue = !isObject(condition) || typeof condition['_typed'] === 'string';
  return isValue ? [['eq', condition]] : Object.entries(condition);
}

const anywhere = asPath('value');

/** Throws `invalid_query` for a typed value that no store would hold: it has no place in the order of values. */
function checkOperand(field: string, operand: Json): void {
  const values = Array.isArray(operand) ? operand : [operand];
  const isSound = values.every((each: Json) => !isObject(each) || !checkValue([each], anywhere));
  if (!isSound) throw new RejectedError('invalid_query', { field });
}

function opOf(op: string, operand: Json): Holds {
  if (op === 'exists') return (value) => (value !== undefined) === operand;
  if (op === 'ne' || op === 'nin') {
    const is = opOf(op === 'ne' ? 'eq' : 'in', operand);
    return (value) => !is(value);
  }
  const holds = presentOp(op, operand);
  return (value) => value !== undefined && holds(value);
}

function presentOp(op: string, operand: Json): (value: Json) => boolean {
  switch (op) {
    case 'eq':
      return isAmong([operand]);
    case 'in':
      return isAmong(Array.isArray(operand) ? operand : []);
    case 'prefix':
      return (value) =>
        typeof value === 'string' && typeof operand === 'string' && value.startsWith(operand);
    case 'lt':
      return (value) => compareValues(value, operand) < 0;
    case 'lte':
      return (value) => compareValues(value, operand) <= 0;
    case 'gt':
      return (value) => compareValues(value, operand) > 0;
    default:
      return (value) => compareValues(value, operand) >= 0;
  }
}

/** Whether a value is one of these. Only objects are written out: texts may be long, and conditions many. */
function isAmong(operands: readonly Json[]): (value: Json) => boolean {
  const scalars = new Set(operands);
  const texts = new Set(operands.filter(isObject).map(canonicalJson));
  return (value) =>
    isObject(value) ? texts.size > 0 && texts.has(canonicalJson(value)) : scalars.has(value);
}
