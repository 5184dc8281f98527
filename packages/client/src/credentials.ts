/** What says who asks by HTTP: a token, or where it is empty the cookies. */
export function credentialsOf(
  token: string,
): Pick<RequestInit, 'credentials'> & { readonly headers: Record<string, string> } {
  return token === ''
    ? { credentials: 'include', headers: {} }
    : { headers: { authorization: `Bearer ${token}` } };
}
