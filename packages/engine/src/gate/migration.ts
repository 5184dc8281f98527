import {
  type Entry,
  isObject,
  type Json,
  type JsonObject,
  majorOf,
  parseVersion,
  type Path,
  type RecordDef,
  type Refusal,
  refuse,
  type Write,
} from '@holdfast/protocol';
import { decodeStored, encodeStored, passRecord } from '@holdfast/protocol/record';
import type { Tree } from '../data/index.ts';
import { writesTo } from './fields.ts';
import { Places } from './places.ts';
import { recordedVersion, versionPath } from './versions.ts';

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
  if (!isOutdated(tree, def)) return [];
  const from = recordedVersion(tree, def);
  const writes: Write[] = [];
  for (const { path, value } of objectsOf(tree, def)) {
    const migrated = migrate(def, value, from);
    if ('fault' in migrated) {
      const { fault } = migrated;
      return refuse('schema_skew', { record: def.name, server: from, path, message: fault });
    }
    writes.push(...writesTo(path, value, migrated.value));
  }
  return [...writes, { op: 'set', path: versionPath(def.name), value: def.version }];
}

type Migrated = { readonly value: JsonObject } | { readonly fault: string };

/** An object of a version as one of the definition's: through each major in between, and its schema. */
export function migrate(def: RecordDef, value: Json, from: string | null): Migrated {
  const [first, last] = [majorOf(from), majorOf(def.version)];
  if (first === null || last === null) return { fault: 'a version has no major' };
  let native: unknown = decodeStored(value);
  try {
    for (let major = first; major < last; major++) {
      const step = def.migrate[String(major)];
      if (step === undefined) return { fault: `there is no migration from ${major}` };
      native = step(isObject(native) ? native : {});
    }
    const stored = encodeStored(native);
    const passed = passRecord(def, stored);
    if ('issue' in passed) return { fault: passed.issue };
    return isObject(stored) ? { value: stored } : { fault: 'a migration gave no object' };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

/** All objects of a record, in path order. */
export function objectsOf(
  tree: Tree,
  def: RecordDef,
): readonly { readonly path: Path; readonly value: Json }[] {
  const places = new Places([{ template: def.path, item: def }]);
  const paths = new Set<Path>();
  for (const { path } of leavesOf(tree, def)) {
    for (const placed of places.around(path)) paths.add(placed.path);
  }
  return [...paths].flatMap((path) => {
    const found = tree.read(path);
    return found === undefined ? [] : [{ path, value: found.value }];
  });
}

function leavesOf(tree: Tree, { path }: RecordDef): Iterable<Entry> {
  const literal = path.split('/');
  const first = literal.findIndex((part) => part.startsWith(':'));
  const under = literal.slice(0, first === -1 ? literal.length : first).join('/');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- part of a template that was checked
  return tree.entries(under === '' ? {} : { under: under as Path });
}
