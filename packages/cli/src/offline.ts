import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Storage } from '@holdfast/server/storage';
import { Failure, misuse } from './failure.ts';

/** The option of commands that can work on a data directory while no server runs on it. */
export const dataArg = {
  type: 'string',
  valueHint: 'DIR',
  description: 'Work on this data directory; its server must not run',
} as const;

/** Lets `use` work on a data directory, which is created only where `create` says so. */
export async function withStorage<T>(
  directory: string,
  options: { readonly create: boolean },
  use: (storage: Storage) => Promise<T>,
): Promise<T> {
  if (!options.create && !existsSync(join(directory, 'holdfast.db'))) {
    throw misuse(`There is no Holdfast data in ${directory}.`, 'Check --data.');
  }
  const { sqlite } = await import('@holdfast/server/storage/sqlite');
  const storage = openStorage(() => sqlite({ directory }), directory);
  try {
    return await use(storage);
  } finally {
    await storage.close();
  }
}

function openStorage(open: () => Storage, directory: string): Storage {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof Error && 'reason' in error && error.reason === 'locked')) throw error;
    throw new Failure('usage', `A server is running on ${directory}.`, {
      code: 'locked',
      hint: 'Ask that server instead, with --url and --token, or stop it first.',
    });
  }
}

const page = 500;

/** The orgs of all stores and tokens of a storage, sorted. */
export async function orgsOf({
  stores,
  tokens,
}: Pick<Storage, 'stores' | 'tokens'>): Promise<readonly string[]> {
  const orgs = new Set(await tokens.orgs());
  let rows = await stores.list({ limit: page });
  for (;;) {
    for (const { name } of rows) orgs.add(name.slice(0, name.indexOf('/')));
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return [...orgs].toSorted();
    rows = await stores.list({ after: last.name, limit: page });
  }
}
