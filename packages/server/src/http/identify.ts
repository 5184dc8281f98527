import type { Scope as PathScope } from '@holdfast/engine/data';
import { refuse } from '@holdfast/protocol';
import type { Context } from 'hono';

import {
  type Credentials,
  grantsOf,
  type Principal,
  refuseScope,
  type Scope,
} from '../access/index.ts';
import type { HttpDeps } from './deps.ts';
import { Problem, refused } from './errors.ts';

const RETRY_MS = 1000;

/** Who asks; checked afresh at each request (stores.md §11.3). */
export async function identify(deps: HttpDeps, c: Context): Promise<Principal> {
  const principal = await deps.access.authenticate(credentialsOf(c)).catch((error: unknown) => {
    deps.onFailure(error, deps.newId());
    throw new Problem(503, 'unavailable', { retry_after_ms: RETRY_MS });
  });
  if (principal === null) throw refused(refuse('unauthorized'));
  return principal;
}

/** What a request says of who asks. */
export function credentialsOf(c: Context): Credentials {
  return {
    token: bearerOf(c.req.header('authorization')),
    params: new URL(c.req.url).searchParams,
    headers: c.req.header(),
  };
}

/** Ends the request unless the principal has the scope. */
export function needScope(principal: Principal, scope: Scope): void {
  const refusal = refuseScope(principal, scope);
  if (refusal !== null) throw refused(refusal);
}

function bearerOf(header: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? null;
}

/** The leaves that the principal may read (stores.md §11.2). */
export function readable(principal: Principal): PathScope {
  return grantsOf(principal.pathRules ?? null).read;
}
