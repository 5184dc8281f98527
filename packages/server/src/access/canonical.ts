/** A function in a text that stands for a value. */
type OfFunction = (fn: object) => string;

/**
 * A text that is the same for values that are: the order of the members of objects, sets and maps tells nothing, and what
 * is undefined is not there. Unlike JSON it tells apart whatever code of an application may put into a principal.
 */
export function canonicalText(value: unknown, ofFunction: OfFunction): string {
  return textOf(value, ofFunction, []);
}

function textOf(value: unknown, ofFunction: OfFunction, above: readonly object[]): string {
  if (typeof value === 'function') return `function ${ofFunction(value)}`;
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'string' ? JSON.stringify(value) : `${typeof value} ${String(value)}`;
  }
  const depth = above.indexOf(value);
  if (depth >= 0) return `circle ${depth}`;
  const inside = [...above, value];
  const each = (item: unknown): string => textOf(item, ofFunction, inside);
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return `bytes ${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}`;
  }
  if (Array.isArray(value)) return `[${value.map(each).join()}]`;
  if (value instanceof Set) return `set {${[...value].map(each).toSorted().join()}}`;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const members = entries.flatMap(([name, item]) =>
    item === undefined ? [] : [`${each(name)}:${each(item)}`],
  );
  return `${value instanceof Map ? 'map ' : ''}{${members.toSorted().join()}}`;
}
