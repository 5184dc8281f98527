import { Signer } from '../../access/index.ts';

/** Signs and checks what lets a client send the bytes of one entry (views.md §10.3, §16). */
export class UploadTokens {
  readonly #signer: Signer;

  /** The first secret signs; tokens of all are taken. */
  constructor(secret?: string | readonly string[]) {
    this.#signer = new Signer(secret);
  }

  /** A token for what is described, from now on. */
  sign(about: string, now: number): string {
    const at = Math.floor(now).toString(36);
    return `${at}.${this.#signer.sign(`${at} ${about}`)}`;
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
    return this.#signer.verify(`${at} ${about}`, signature);
  }
}
