/** The canonical text of a JSON value: equal values have equal texts, whatever the order of their members (RFC 8785). */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => sorted(part)) ?? 'null';
}

/** The same of any value; null: it is more than JSON, and its text would be that of another value, too. */
export function canonicalJson(value: unknown): string | null {
  return isJson(value, 0) ? canonical(value) : null;
}

const DEPTH_MAX = 100;

/** Members that are undefined are as good as absent. */
function isJson(value: unknown, depth: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value !== 'object' || depth > DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((part) => isJson(part, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  return Object.values(value).every((part) => part === undefined || isJson(part, depth + 1));
}

/** Whether it is nested no deeper than anything here is looked into. */
export function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth <= DEPTH_MAX && Object.values(value).every((part) => isShallow(part, depth + 1));
}

function sorted(part: unknown): unknown {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
  const members = Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members);
}
