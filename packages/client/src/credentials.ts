import { HoldfastError } from '@holdfast/protocol';

/** What says who asks by HTTP: a token, or where it is empty the cookies. */
export function credentialsOf(
  token: string,
): Pick<RequestInit, 'credentials'> & { readonly headers: Record<string, string> } {
  return token === ''
    ? { credentials: 'include', headers: {} }
    : { headers: { authorization: `Bearer ${token}` } };
}

/**
 * Whether a token source could not ask: what `fetch` throws without a network, or in time, and what says of itself that it
 * may be tried again.
 */
export function isWeather(error: unknown): boolean {
  if (error instanceof HoldfastError) return error.retry === 'later';
  return error instanceof Error && /^(Type|Timeout|Abort|Network)Error$/.test(error.name);
}
