/** What a cookie may have come with: credentials, or a request of Node.js. */
type WithCookies = { readonly headers: { readonly cookie?: string | undefined } };

/**
 * The value of a cookie that came with an upgrade or request, for authenticators that go by sessions; null if it did not
 * come, or came twice, for then somebody else may have set one of them. Browsers send cookies along by themselves: see
 * `origins` of the server's options.
 */
export function cookieOf({ headers }: WithCookies, name: string): string | null {
  const values = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at > 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
  const [value = null, another] = values;
  return another === undefined ? value : null;
}
