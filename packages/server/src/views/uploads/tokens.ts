import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Signs and checks what lets a client send the bytes of one entry (views.md §10.3, §16). */
export class UploadTokens {
  readonly #secrets: readonly [string, ...string[]];

  /** The first secret signs; tokens of all are taken. */
  constructor(secrets: readonly string[]) {
    const [first = randomBytes(32).toString('base64url'), ...former] = secrets;
    this.#secrets = [first, ...former];
  }

  /** A token for what is described, from now on. */
  sign(about: string, now: number): string {
    const at = Math.floor(now).toString(36);
    return `${at}.${mac(this.#secrets[0], `${at} ${about}`)}`;
  }

  /** Whether a token was signed for this here, not longer ago than so many milliseconds. */
  verify(
    token: string,
    about: string,
    { now, maxAgeMs }: { readonly now: number; readonly maxAgeMs: number },
  ): boolean {
    const [at = '', signature = ''] = token.split('.');
    if (!/^[0-9a-z]{1,12}$/.test(at)) return false;
    const age = now - parseInt(at, 36);
    if (age > maxAgeMs || age < -maxAgeMs) return false;
    return this.#secrets.some((secret) => isSame(mac(secret, `${at} ${about}`), signature));
  }
}

function mac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
