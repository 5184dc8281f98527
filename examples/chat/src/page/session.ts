const cookie = 'chat-name';

/** Who is signed in; null: nobody. */
export function savedName(): string | null {
  const pair = document.cookie.split('; ').find((each) => each.startsWith(`${cookie}=`));
  try {
    return decodeURIComponent(pair?.slice(cookie.length + 1) ?? '') || null;
  } catch {
    // Who else wrote it wrote no name.
    return null;
  }
}

/** Signs in. A real chat has its server set the cookie, after a login, where no script can read it. */
export function signIn(name: string): void {
  document.cookie = `${cookie}=${encodeURIComponent(name)}; path=/; max-age=31536000; samesite=lax`;
  location.reload();
}

/** Signs out, and forgets all that the page has shown. */
export function signOut(): void {
  document.cookie = `${cookie}=; path=/; max-age=0`;
  location.reload();
}
