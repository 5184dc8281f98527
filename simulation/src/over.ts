import type { Storage } from '@holdfast/server/storage';

/** A storage that does some things in another way. */
export function over(storage: Storage, changes: Partial<Storage>): Storage {
  return overTable(storage, changes);
}

/** The same of a part of one. */
export function overTable<T extends object>(table: T, changes: Partial<T>): T {
  return new Proxy(table, {
    get(target, name) {
      const changed: unknown = Reflect.get(changes, name);
      if (changed !== undefined) return changed;
      const own: unknown = Reflect.get(target, name);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}
