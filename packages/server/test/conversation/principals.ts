import type { Authenticate, Principal } from '@holdfast/server';
import { everything } from './world.ts';

/** An authenticator that knows these tokens, each by how it differs from `dev`; and `dev` itself. */
export function principals(known: { readonly [token: string]: Partial<Principal> }): Authenticate {
  return async ({ token }) => {
    if (token === 'dev') return everything;
    const own = token !== null && Object.hasOwn(known, token) ? known[token] : undefined;
    return own === undefined ? null : { ...everything, subject: token, ...own };
  };
}
