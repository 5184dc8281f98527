import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const saltBytes = 16;
const tagBytes = 16;
const purpose = 'holdfast sealed answer';
const algorithm = 'aes-256-gcm';
/** Each key is drawn afresh by its salt, and used once. */
const nonce = Buffer.alloc(12);

/** A text that only who has the secret can read again. */
export function seal(text: string, secret: string): string {
  const salt = randomBytes(saltBytes);
  const cipher = createCipheriv(algorithm, keyOf(secret, salt), nonce);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([salt, cipher.getAuthTag(), body]).toString('base64');
}

/** What was sealed; null where the secret is another, or the text was changed. */
export function unseal(sealed: string, secret: string): string | null {
  const bytes = Buffer.from(sealed, 'base64');
  const salt = bytes.subarray(0, saltBytes);
  const tag = bytes.subarray(saltBytes, saltBytes + tagBytes);
  try {
    const decipher = createDecipheriv(algorithm, keyOf(secret, salt), nonce);
    decipher.setAuthTag(tag);
    const body = bytes.subarray(saltBytes + tagBytes);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

function keyOf(secret: string, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, purpose, 32));
}
