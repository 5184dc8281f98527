/** The name that a cookie carries; empty: none that can be read. */
export function nameIn(cookie: string): string {
  try {
    return decodeURIComponent(cookie);
  } catch {
    return '';
  }
}
