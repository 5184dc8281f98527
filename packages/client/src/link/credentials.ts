import { HoldfastError } from '@holdfast/protocol';

/** What says who asks by HTTP: a token, or where it is empty the cookies. */
export function credentialsOf(
  token: string,
): Pick<RequestInit, 'credentials'> & { readonly headers: Record<string, string> } {
  if (token === '') return { credentials: 'include', headers: {} };
  // What a header cannot carry as it is, such as a page of a captive portal, would not be sent at all. Without a word of it
  // cookies would count, or nobody asked, which a server may allow: something is sent that is refused as it would be.
  const isCarried = /^[!-~\x80-\xff]+$/.test(token);
  return { headers: { authorization: `Bearer ${isCarried ? token : '-'}` } };
}

/**
 * Whether a token source could not ask: what `fetch` throws without a network, or in time, and what says of itself that it
 * may be tried again.
 */
export function isWeather(error: unknown): boolean {
  if (error instanceof HoldfastError) return error.retry === 'later';
  return error instanceof Error && /^(Type|Timeout|Abort|Network)Error$/.test(error.name);
}
