import { isObject, type Json } from '@holdfast/protocol';

/** About how many characters a value takes as JSON, counted no further than to the limit. */
export function sizeUpTo(value: Json, limit: number): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return String(value).length;
  let size = 2;
  if (isObject(value)) {
    for (const key in value) {
      if (size > limit) return size;
      size += key.length + 4 + sizeUpTo(value[key] ?? null, limit - size);
    }
    return size;
  }
  for (const item of value) {
    if (size > limit) return size;
    size += 1 + sizeUpTo(item, limit - size);
  }
  return size;
}
