import { isDeepStrictEqual } from 'node:util';

/** The server did something that the protocol forbids; the message says what. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Throws a {@link Violation} unless something holds. */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Violation(otherwise);
}

/** Throws a {@link Violation} unless both are deeply equal; the order of object keys does not count. */
export function same(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Violation(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

/** A value for people, cut to a length that can be read. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
}
