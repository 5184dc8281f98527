import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Signs texts of this server, and knows them again: by its secret, or by one that ends with the process. */
export class Signer {
  readonly #secrets: readonly [string, ...string[]];

  /** The first secret signs; what any of them has signed is taken. */
  constructor(secret: string | readonly string[] = []) {
    const secrets = typeof secret === 'string' ? [secret] : secret;
    const [first = randomBytes(32).toString('base64url'), ...former] = secrets;
    this.#secrets = [first, ...former];
  }

  sign(text: string): string {
    return mac(this.#secrets[0], text);
  }

  verify(text: string, signature: string): boolean {
    return this.#secrets.some((secret) => isSame(mac(secret, text), signature));
  }
}

function mac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
