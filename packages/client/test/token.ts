import type { Scope, Server } from '@holdfast/server';

/** A token for all stores of `acme`, as it is issued. */
export function issue(
  server: Server,
  scopes: readonly Scope[] = ['entries:read', 'entries:write'],
): ReturnType<Server['tokens']['issue']> {
  return server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes,
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
}
