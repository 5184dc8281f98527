/** What shows nothing of itself, such as a function, in a text that stands for a value. */
type OfOpaque = (it: object) => string;

/**
 * A text that is the same for values that are: the order of the members of objects, sets and maps tells nothing, and what
 * is undefined is not there. Unlike JSON it tells apart whatever code of an application may put into a principal.
 */
export function canonicalText(value: unknown, ofOpaque: OfOpaque): string {
  return textOf(value, ofOpaque, []);
}

function textOf(value: unknown, ofOpaque: OfOpaque, above: readonly object[]): string {
  if (typeof value === 'function') return `function ${ofOpaque(value)}`;
  if (typeof value !== 'object' || value === null) return plainText(value);
  const depth = above.indexOf(value);
  if (depth >= 0) return `circle ${depth}`;
  const inside = [...above, value];
  const each = (item: unknown): string => textOf(item, ofOpaque, inside);
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return `bytes ${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}`;
  }
  if (Array.isArray(value)) return `[${value.map(each).join()}]`;
  if (value instanceof Set) return `set {${[...value].map(each).toSorted().join()}}`;
  if (value instanceof Map) return `map ${membersOf([...value], each)}`;
  return memberText(value, { ofOpaque, each });
}

/** Of an object by its members, or by what it says of itself where they are not seen, as with a `URL`. */
function memberText(
  value: object,
  { ofOpaque, each }: { readonly ofOpaque: OfOpaque; readonly each: (item: unknown) => string },
): string {
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return `json ${each(Reflect.apply(value.toJSON, value, []))}`;
  }
  const entries = Object.entries(value);
  const isOpaque = entries.length === 0 && isOfClass(value);
  return isOpaque ? `opaque ${ofOpaque(value)}` : membersOf(entries, each);
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : `${typeof value} ${String(value)}`;
}

function membersOf(
  entries: readonly (readonly [unknown, unknown])[],
  each: (item: unknown) => string,
): string {
  const members = entries.flatMap(([name, item]) =>
    item === undefined ? [] : [`${each(name)}:${each(item)}`],
  );
  return `{${members.toSorted().join()}}`;
}

/** Whether it may hold more than is seen of it: private members. */
export function isOfClass(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== null && prototype !== Object.prototype;
}
