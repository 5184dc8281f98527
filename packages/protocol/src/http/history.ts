import type { OpId, Path, Seq } from '../brand.ts';
import { isObject, type Json } from '../json.ts';
import { type Entry, isLeafType, isOpName, type LeafType, type OpName } from '../op.ts';
import { isWirePath } from '../path.ts';
import { isRefusal, type Refusal } from '../refusals.ts';
import {
  type Guard,
  invalidField,
  isCount,
  isJson,
  isString,
  orNull,
  readShape,
  type Shape,
} from '../shape.ts';

/** An op as `GET …/log` tells it (stores.md §13.2.1). */
export type LogLine = {
  readonly store_seq: Seq;
  readonly op: OpName;
  readonly path: Path;
  readonly value: Json;
  readonly arg: Json;
  readonly type: LeafType;
  readonly device_id: string;
  readonly client_op_id: OpId;
  readonly tx: Seq | null;
  /** An instant in ISO 8601. */
  readonly inserted_at: string;
};

/** A leaf that differs, as `GET …/diff` tells it; a null type: nothing is there (stores.md §13.2.2). */
export type DiffLine = {
  readonly path: Path;
  readonly before: Json;
  readonly after: Json;
  readonly before_type: LeafType | null;
  readonly after_type: LeafType | null;
};

const logLine: Shape<LogLine> = {
  store_seq: isCount,
  op: isOpName,
  path: isWirePath,
  value: isJson,
  arg: isJson,
  type: isLeafType,
  device_id: isString,
  client_op_id: isString,
  tx: orNull(isCount),
  inserted_at: isString,
};

const diffLine: Shape<DiffLine> = {
  path: isWirePath,
  before: isJson,
  after: isJson,
  before_type: orNull(isLeafType),
  after_type: orNull(isLeafType),
};

const entry: Shape<Entry> = {
  path: isWirePath,
  value: isJson,
  type: isLeafType,
  revision: isCount,
};

/** Reads the answer of `GET …/log`. */
export function readLog(answer: unknown): readonly LogLine[] | Refusal {
  return listOf(answer, 'ops', (line) => readShape(line, logLine));
}

/** The answer of `GET …/diff`: the net change from one seq, exclusive, to another, inclusive. */
export type Difference = {
  readonly from: Seq;
  readonly to: Seq;
  readonly changes: readonly DiffLine[];
};

/** Reads the answer of `GET …/diff`. */
export function readDifference(answer: unknown): Difference | Refusal {
  const ends = readShape<{ from_seq: Seq; to_seq: Seq }>(answer, {
    from_seq: isCount,
    to_seq: isCount,
  });
  if (isRefusal(ends)) return ends;
  const changes = listOf(answer, 'changes', (line) => readShape(line, diffLine));
  return isRefusal(changes) ? changes : { from: ends.from_seq, to: ends.to_seq, changes };
}

/** Reads the answer of `GET …/entry`: a leaf, or a map put together from those below it. */
export function readEntry(answer: unknown): Entry | Refusal {
  return readShape(answer, entry);
}

/** A page of `GET …/entries`; `next` goes into `after`, and is null iff nothing follows (stores.md §15.2.1). */
export type EntryPage<T> = { readonly items: readonly T[]; readonly next: string | null };

/** Reads a page of entries. */
export function readEntryPage(answer: unknown): EntryPage<Entry> | Refusal {
  return pageOf(answer, readEntry);
}

/** Reads a page of paths: what `select=keys` and `select=prefixes` are answered with. */
export function readPathPage(answer: unknown): EntryPage<Path> | Refusal {
  return pageOf(answer, (item) => (isWirePath(item) ? item : invalidField('items')));
}

function pageOf<T>(answer: unknown, read: (item: unknown) => T | Refusal): EntryPage<T> | Refusal {
  const cursor = readShape<{ next_cursor: string | null }>(answer, {
    next_cursor: orNull(isString),
  });
  if (isRefusal(cursor)) return cursor;
  const items = listOf(answer, 'items', read);
  return isRefusal(items) ? items : { items, next: cursor.next_cursor };
}

const isList: Guard<readonly unknown[]> = (value): value is readonly unknown[] =>
  Array.isArray(value);

/** Reads each of a list; the first that cannot be read refuses them all. */
function listOf<T>(
  answer: unknown,
  field: string,
  read: (item: unknown) => T | Refusal,
): readonly T[] | Refusal {
  const list = isObject(answer) ? answer[field] : null;
  if (!isList(list)) return invalidField(field);
  const items: T[] = [];
  for (const item of list) {
    const each = read(item);
    if (isRefusal(each)) return each;
    items.push(each);
  }
  return items;
}
