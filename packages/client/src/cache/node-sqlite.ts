import { cacheFault } from './rows.ts';

type Row = { readonly [column: string]: unknown };
type Value = string | number | null;

/** What is used of a statement of `node:sqlite`. */
export interface Statement {
  run(...values: Value[]): { readonly changes: number | bigint };
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): readonly Row[];
}

/** What is used of a database of `node:sqlite`. */
export interface Database {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

type Modules = {
  'node:sqlite': {
    DatabaseSync: new (file: string, options: { readonly timeout: number }) => Database;
  };
  'node:fs': { renameSync(from: string, to: string): void };
};

/** Throws where there is none. */
export function findSqlite(): void {
  moduleOf('node:sqlite');
}

/** Opens a database file; what keeps it busy is not waited for. */
export function openDatabase(file: string): Database {
  const { DatabaseSync } = moduleOf('node:sqlite');
  return new DatabaseSync(file, { timeout: 0 });
}

/** Renames a database file and those beside it; gives the name it has now. */
export function putAside(file: string): string {
  const fs = moduleOf('node:fs');
  const aside = `${file}.damaged-${Date.now()}`;
  fs.renameSync(file, aside);
  for (const suffix of ['-wal', '-shm']) {
    try {
      fs.renameSync(`${file}${suffix}`, `${aside}${suffix}`);
    } catch {
      // There is none.
    }
  }
  return aside;
}

/** A module of Node, found at run time: bundlers for browsers need not know of it. */
function moduleOf<Name extends keyof Modules>(name: Name): Modules[Name] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- browsers have no process
  const { process } = globalThis as {
    readonly process?: { getBuiltinModule?(name: string): unknown };
  };
  const found = process?.getBuiltinModule?.(name);
  if (found === undefined) throw cacheFault('unavailable', { cause: new Error(`no ${name} here`) });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node says what its modules are
  return found as Modules[Name];
}
