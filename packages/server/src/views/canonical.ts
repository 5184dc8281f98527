/** The canonical text of a JSON value: equal values have equal texts, whatever the order of their members (RFC 8785). */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => sorted(part)) ?? 'null';
}

function sorted(part: unknown): unknown {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
  const members = Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members);
}
