import { parseStoreName, refuse } from '@holdfast/protocol';
import type { Context } from 'hono';

import { mayUseStore, orgOf, type Principal } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, refused } from './errors.ts';

/** The store that the URL names, if it exists for the principal, who may also use it: §11.1.5, in that order. */
export async function storeOf(
  deps: Pick<HttpDeps, 'storage'>,
  c: Context,
  principal: Principal,
): Promise<StoreRow> {
  return storeNamed(deps, principal, `${c.req.param('org') ?? ''}/${c.req.param('store') ?? ''}`);
}

/** The store of a name, by the same rules. */
export async function storeNamed(
  deps: Pick<HttpDeps, 'storage'>,
  principal: Principal,
  text: string,
): Promise<StoreRow> {
  const name = parseStoreName(text);
  // Other orgs are not even looked up, so that not the time of the answer tells either.
  if (name === null || !principal.orgs.includes(orgOf(name))) throw notFound();
  const row = await deps.storage.stores.find(name);
  if (row === null) throw notFound();
  if (!mayUseStore(principal, row)) {
    const message = 'This token may not use this store.';
    throw refused(refuse('store_not_allowed', { message }));
  }
  return row;
}
