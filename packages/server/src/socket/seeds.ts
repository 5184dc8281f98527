import type { JoinRequest, SeedClaim } from '@holdfast/protocol';
import type { Principal, Signer } from '../access/index.ts';

type Subject = Principal['subject'];

/**
 * Vouches for what pages are rendered from, so that a browser that begins with it can go on from there, and nothing else
 * passes for it (records.md §18): by whom it may be read, from which moment it is, and the digest of the content, which the
 * browser takes of what it has got.
 */
export class Seeds {
  readonly #signer: Signer;

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  /** The proof that goes with a seed. */
  seal(subject: Subject, claim: SeedClaim): string {
    return `${claim.digest}.${this.#signer.sign(textOf(subject, claim))}`;
  }

  /** Whether a join names no seed, or one that was sealed for this subject and is as it was then. */
  admits(subject: Subject, store: string, request: JoinRequest): boolean {
    const { seed, incarnation, lastSeq: seq, scope, patterns } = request;
    if (seed === null) return true;
    const [digest = '', signature = ''] = seed.split('.');
    if (incarnation === null || scope === null || patterns === null) return false;
    const claim = { store, incarnation, seq, scope, patterns, digest };
    return this.#signer.verify(textOf(subject, claim), signature);
  }
}

/** What is signed: of no other kind of text. */
function textOf(subject: Subject, claim: SeedClaim): string {
  const { store, incarnation, seq, scope, patterns, digest } = claim;
  return JSON.stringify(['seed', subject, store, incarnation, seq, scope, patterns, digest]);
}
