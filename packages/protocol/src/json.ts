/** A JSON value as it travels on every surface (stores.md §3). */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object with string keys; safe for any key when written through {@link setOwn}. */
export type JsonObject = { readonly [key: string]: Json };

/** An object that is neither null nor an array. */
export function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own property, whatever its name; undefined where there is none. */
export function getOwn<T>(object: { readonly [key: string]: T }, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A copy with those properties alone whose keys are wanted. */
export function pick<T>(
  object: { readonly [key: string]: T },
  isWanted: (key: string) => boolean,
): { [key: string]: T } {
  return Object.fromEntries(Object.entries(object).filter(([key]) => isWanted(key)));
}

/** Sets an own property whatever its name, `__proto__` included. */
export function setOwn<T>(target: { [key: string]: T }, key: string, value: T): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else {
    target[key] = value;
  }
}

/** Deep equality by value, of which undefined is none; the order of object keys does not count (stores.md §3.1.7). */
export function jsonEquals(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && arraysEqual(a, b);
  return isObject(a) && isObject(b) && objectsEqual(a, b);
}

function arraysEqual(a: readonly Json[], b: readonly Json[]): boolean {
  return a.length === b.length && a.every((item, index) => jsonEquals(item, b[index]));
}

function objectsEqual(a: JsonObject, b: JsonObject): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && jsonEquals(a[key], b[key]));
}
