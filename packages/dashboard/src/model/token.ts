const KEY = 'holdfast:token';

/** The token that this tab was opened with, or was given before; it does not stay in the address. */
export function takeToken(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get('token');
  if (given === null) return sessionStorage.getItem(KEY);
  fragment.delete('token');
  const rest = fragment.size === 0 ? '' : `#${fragment.toString()}`;
  history.replaceState(null, '', location.pathname + location.search + rest);
  keepToken(given);
  return given;
}

/** Keeps a token for as long as the tab lives. */
export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

/** Forgets the token of this tab. */
export function dropToken(): void {
  sessionStorage.removeItem(KEY);
}
