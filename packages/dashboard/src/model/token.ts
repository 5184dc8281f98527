const KEY = 'holdfast:token';

const QUESTION =
  'This link signs this tab in with another token, and what you write from then on is written by that. Sign in with it?';

/**
 * The token that this tab was opened with, or was given before; it does not stay in the address. Who is signed in is asked
 * before a link makes somebody else of them: anybody may have made it. Then `mayLeave` is asked, for what they have not saved.
 */
export function takeToken(mayLeave = (): boolean => true): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const [given, known] = [fragment.get('token'), sessionStorage.getItem(KEY)];
  if (given === null) return known;
  fragment.delete('token');
  const rest = fragment.size === 0 ? '' : `#${fragment.toString()}`;
  history.replaceState(null, '', location.pathname + location.search + rest);
  const isAnother = known !== null && known !== given;
  if (isAnother && !(confirm(QUESTION) && mayLeave())) return known;
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
