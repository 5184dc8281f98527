import type { ServerProcess } from './server-process.ts';

/** Some of everything, in `demo/main`. */
export async function fill(server: ServerProcess): Promise<void> {
  await server.write('demo/main', (tx) => {
    tx.put('settings/theme', 'dark');
    tx.put('settings/pageSize', 50);
    tx.put('users/7/name', 'Ada Lovelace');
    tx.put('users/7/email', 'ada@example.org');
    tx.put('users/7/isAdmin', true);
    tx.put('users/8/name', 'Grace Hopper');
    tx.put('users/8/tags', ['navy', 'compilers']);
    tx.increment('visits', 41);
  });
}

/** A store of 100,000 leaves. */
export async function fillLarge(server: ServerProcess): Promise<void> {
  await server.makeStore('demo/sensors');
  for (let start = 0; start < 100_000; start += 1000) {
    const names = Array.from(
      { length: 1000 },
      (_, at) => `s${String(start + at).padStart(5, '0')}`,
    );
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await server.write('demo/sensors', (tx) =>
      tx.merge('sensors', Object.fromEntries(names.map((name, at) => [name, start + at]))),
    );
  }
}
