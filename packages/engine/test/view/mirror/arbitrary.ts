import type { Json, JsonObject } from '@holdfast/protocol';
import type { PatchOp } from '@holdfast/protocol/views';
import fc from 'fast-check';

const scalar = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom('a', 'b'),
  fc.constant(null),
);

/** Random plain data with lists, keyed or not. */
const plain: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('x', 'y', 'z', '__proto__'), tie('value'), { maxKeys: 3 }),
    fc.uniqueArray(fc.record({ id: fc.integer({ min: 0, max: 5 }), v: tie('value') }), {
      maxLength: 4,
      selector: ({ id }) => id,
    }),
  ),
})).value;

/** Random roots: children in members and lists, each once, streams, uploads and async values. */
export const roots: fc.Arbitrary<JsonObject> = fc
  .record({
    own: plain,
    order: fc.shuffledSubarray(['a', 'b', 'c', 'd']),
    box: fc.subarray(['e', 'f']),
    parts: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), plain, { maxKeys: 6 }),
    status: fc.constantFrom('loading', 'ok', 'failed'),
  })
  .map(({ own, order, box, parts, status }) => ({
    __musubi_store_id__: [],
    own,
    log: { __musubi_stream__: 'log' },
    file: { __musubi_upload__: 'file' },
    profile: { __musubi_async__: true, status, result: own, reason: null },
    list: order.map((id) => child('list', id, parts[id] ?? null)),
    box: Object.fromEntries(box.map((id) => [id, child('box', id, parts[id] ?? null)])),
  }));

function child(at: string, id: string, part: Json): JsonObject {
  const path = [at, id];
  return {
    __musubi_store_id__: path,
    // Different nodes are never shown alike.
    name: path.join(),
    part,
    lines: { __musubi_stream__: 'lines' },
    inner: { deep: { __musubi_store_id__: [...path, 'deep'], name: `${path.join()},deep`, part } },
  };
}

/** Ops from one tree to another, not the least ones. */
export function roughDiff(was: Json, next: Json, path = ''): PatchOp[] {
  if (JSON.stringify(was) === JSON.stringify(next)) return [];
  if (!isRecord(was) || !isRecord(next)) return [{ op: 'replace', path, value: fresh(next) }];
  const at = (key: string): string => `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  return [
    ...Object.keys(was)
      .filter((key) => !Object.hasOwn(next, key))
      .map((key): PatchOp => ({ op: 'remove', path: at(key) })),
    ...Object.keys(next).flatMap((key): PatchOp[] =>
      Object.hasOwn(was, key)
        ? roughDiff(was[key] ?? null, next[key] ?? null, at(key))
        : [{ op: 'add', path: at(key), value: fresh(next[key] ?? null) }],
    ),
  ];
}

/** The same as it comes from a wire: nothing of it is known. */
export function fresh<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function isRecord(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
