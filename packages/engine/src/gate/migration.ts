import {
  type Entry,
  isAncestor,
  isObject,
  type Json,
  type JsonObject,
  parseVersion,
  type Path,
  type RecordDef,
  type Refusal,
  refuse,
  saidBy,
  versionPath,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, encodeStored, passRecord } from '@holdfast/protocol/record';
import type { Tree } from '../data/index.ts';
import { migrate, writesTo } from '../record/index.ts';
import { Places } from './places.ts';
import { recordedVersion } from './versions.ts';

/** Whether what a store holds of a record is of an older version than the definition. */
export function isOutdated(tree: Tree, def: RecordDef): boolean {
  const recorded = parseVersion(recordedVersion(tree, def));
  const wanted = parseVersion(def.version);
  if (recorded === null || wanted === null) return false;
  if (recorded.major !== wanted.major) return recorded.major < wanted.major;
  return recorded.minor < wanted.minor;
}

/**
 * The writes that bring all objects of a record, and the version at rest, to the definition's (records.md §3.5); none where
 * they are there. A step that is missing, throws, or leads to what the schema refuses is `schema_skew`.
 */
export function migrationOf(tree: Tree, def: RecordDef): readonly Write[] | Refusal {
  const from = recordedVersion(tree, def);
  if (from === null || !isOutdated(tree, def)) return [];
  const writes: Write[] = [];
  for (const path of objectsIn(tree, def)) {
    const value = tree.read(path)?.value ?? null;
    const migrated = upgraded(def, value, from);
    if ('fault' in migrated) {
      const { fault } = migrated;
      return refuse('schema_skew', { record: def.name, server: from, path, message: fault });
    }
    writes.push(...writesTo(path, value, migrated.value));
  }
  return [...writes, { op: 'set', path: versionPath(def.name), value: def.version }];
}

type Found = { readonly value: JsonObject } | { readonly fault: string };

/** An object of a version as one of the definition's, which its schema lets pass. */
function upgraded(def: RecordDef, value: Json, from: string): Found {
  let why = '';
  const failed = (error: unknown): void => {
    why = `: ${saidBy(error)}`;
  };
  const migrated = migrate({ ...def, failed }, decodeStored(value), from);
  if (migrated === 'skew') return { fault: `there is no way from ${from} to ${def.version}${why}` };
  try {
    const stored = encodeStored(migrated.value);
    const passed = passRecord(def, stored);
    if ('issue' in passed) return { fault: passed.issue };
    return isObject(stored) ? { value: stored } : { fault: 'a migration gave no object' };
  } catch (error) {
    return { fault: saidBy(error) };
  }
}

function objectsIn(tree: Tree, def: Pick<RecordDef, 'path'>): readonly Path[] {
  return [...objectsOf(tree, def)].flatMap((path) => path ?? []);
}

/** The paths of all objects of a record, in path order; null for each leaf that is of none, or of one that was told. */
export function* objectsOf(
  tree: Tree,
  def: Pick<RecordDef, 'path'>,
): Generator<Path | null, void, undefined> {
  const places = new Places([{ template: def.path, item: null }]);
  let last: Path | null = null;
  for (const { path } of leavesOf(tree, def)) {
    const isOfLast: boolean = last !== null && isAncestor(last, path);
    const object: Path | null = isOfLast ? null : (places.around(path)[0]?.path ?? null);
    last = object ?? last;
    yield object;
  }
}

function leavesOf(tree: Tree, { path }: Pick<RecordDef, 'path'>): Iterable<Entry> {
  const literal = path.split('/');
  const first = literal.findIndex((part) => part.startsWith(':'));
  const under = literal.slice(0, first === -1 ? literal.length : first).join('/');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- part of a template that was checked
  return tree.entries(under === '' ? {} : { under: under as Path });
}
