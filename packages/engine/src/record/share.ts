import { isObject } from '@holdfast/protocol';

/**
 * The next value, with every part of it that equals what was there in the place of it (records.md §6.2); what is new is frozen.
 * What cannot be gone through stays as it is: a schema may give something that holds itself, or throws when it is read.
 */
export function share(before: unknown, next: unknown): unknown {
  try {
    return shared(before, next);
  } catch {
    return next;
  }
}

function shared(before: unknown, next: unknown): unknown {
  if (Object.is(before, next)) return before;
  if (Array.isArray(next)) return shareList(Array.isArray(before) ? before : [], next, before);
  if (isPlain(next)) return shareMembers(isPlain(before) ? before : {}, next, before);
  return isSameScalar(before, next) ? before : next;
}

function shareList(known: readonly unknown[], next: readonly unknown[], before: unknown): unknown {
  const items = next.map((item, index) => shared(known[index], item));
  const isSame =
    Array.isArray(before) &&
    items.length === known.length &&
    items.every((item, index) => Object.is(item, known[index]));
  return isSame ? before : Object.freeze(items);
}

function shareMembers(known: Members, next: Members, before: unknown): unknown {
  const keys = Object.keys(next);
  let isSame = known === before && Object.keys(known).length === keys.length;
  const members = keys.map((key): [string, unknown] => {
    const member = shared(known[key], next[key]);
    isSame &&= Object.hasOwn(known, key) && Object.is(member, known[key]);
    return [key, member];
  });
  return isSame ? before : Object.freeze(Object.fromEntries(members));
}

type Members = { readonly [key: string]: unknown };

/** An object without a class: others are left as they are. */
function isPlain(value: unknown): value is Members {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function isSameScalar(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, index) => byte === b[index]);
  }
  // oxlint-disable-next-line no-restricted-globals -- a type, no clock
  return a instanceof Date && b instanceof Date && Object.is(a.getTime(), b.getTime());
}
