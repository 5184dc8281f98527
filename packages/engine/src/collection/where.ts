import { isObject, type Json, type JsonObject } from '@holdfast/protocol';
import { canonicalJson } from '@holdfast/protocol/record';
import { compareValues } from './order.ts';

/** Whether an object is meant by a query. */
export type Test = (object: JsonObject) => boolean;

/** Turns the conditions of a checked query into a test (records.md §14). */
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
  const inner = (Array.isArray(condition) ? condition : [condition]).map((each: Json) =>
    testOf(partOf(each)),
  );
  if (field === '$and') return (object) => inner.every((test) => test(object));
  if (field === '$or') return (object) => inner.some((test) => test(object));
  if (field === '$not') return (object) => !inner.every((test) => test(object));
  const holds = conditionOf(condition);
  return (object) => holds(Object.hasOwn(object, field) ? object[field] : undefined);
}

function partOf(value: Json): JsonObject {
  return isObject(value) ? value : {};
}

type Holds = (value: Json | undefined) => boolean;

function conditionOf(condition: Json): Holds {
  if (!isObject(condition) || typeof condition['_typed'] === 'string') return opOf('eq', condition);
  const all = Object.entries(condition).map(([op, operand]) => opOf(op, operand));
  return (value) => all.every((holds) => holds(value));
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
    case 'eq': {
      const text = canonicalJson(operand);
      return (value) => canonicalJson(value) === text;
    }
    case 'in': {
      const texts = new Set((Array.isArray(operand) ? operand : []).map(canonicalJson));
      return (value) => texts.has(canonicalJson(value));
    }
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
