import type { Veil } from '@holdfast/engine/gate';
import {
  asStoreName,
  type JoinRequest,
  type SeedClaim,
  type SeedContent,
  type StoreName,
} from '@holdfast/protocol';
import type { Principal, Signer } from '../access/index.ts';
import { Outline } from './outline.ts';

/** What records hide from somebody in a store; null: nothing. */
type Hiding = {
  veilOf(
    principal: Principal,
    viewed: { readonly name: StoreName; readonly valueAt: () => undefined },
  ): Veil | null;
};

/** What a seed comes to that a join names: `outline` says what of hidden things its holder has been shown. */
export type Verdict = { readonly forged: boolean; readonly outline: Outline | null };

const honest: Verdict = { forged: false, outline: null };
const forged: Verdict = { forged: true, outline: null };

/**
 * Vouches for what pages are rendered from, so that a browser that begins with it can go on from there, and nothing else
 * passes for it (records.md §18): by whom it may be read, from which moment it is, and the digest of the content, which the
 * browser takes of what it has got.
 */
export class Seeds {
  readonly #signer: Signer;
  readonly #records: Hiding;

  constructor(signer: Signer, records: Hiding) {
    this.#signer = signer;
    this.#records = records;
  }

  /** The proof that goes with a seed: its digest, a signature, and the outline of what something may be hidden of. */
  seal(principal: Principal, claim: SeedClaim, content: SeedContent): string {
    const name = asStoreName(claim.store);
    // Which objects it is about, no value tells.
    const veil = this.#records.veilOf(principal, { name, valueAt: () => undefined });
    const outline = veil === null ? '' : Outline.of(content, veil, claim.patterns);
    const signature = this.#signer.sign(textOf(principal.subject, claim, outline));
    return [claim.digest, signature, ...(outline === '' ? [] : [outline])].join('.');
  }

  /** Whether a join names no seed, or one that was sealed for this subject and is as it was then. */
  judge(subject: Principal['subject'], store: string, request: JoinRequest): Verdict {
    const { seed, incarnation, lastSeq: seq, scope, patterns } = request;
    if (seed === null) return honest;
    const [digest = '', signature = '', ...rest] = seed.split('.');
    if (incarnation === null || scope === null || patterns === null) return forged;
    const claim = { store, incarnation, seq, scope, patterns, digest };
    const outline = rest.join('.');
    if (!this.#signer.verify(textOf(subject, claim, outline), signature)) return forged;
    return { forged: false, outline: Outline.read(outline) };
  }

  /** The signature of an envelope that is in no store, by its digest. */
  vouch(subject: Principal['subject'], key: string, digest: string): string {
    return this.#signer.sign(JSON.stringify(['envelope', subject, key, digest]));
  }

  /** Whether somebody who says to have an envelope from a page has it as it was rendered, and for this subject. */
  vouched(subject: Principal['subject'], key: string, proof: string): boolean {
    const [digest = '', signature = '', ...rest] = proof.split('.');
    const text = JSON.stringify(['envelope', subject, key, digest]);
    return rest.length === 0 && this.#signer.verify(text, signature);
  }
}

/** What is signed: of no other kind of text. */
function textOf(subject: Principal['subject'], claim: SeedClaim, outline: string): string {
  const { store, incarnation, seq, scope, patterns, digest } = claim;
  return JSON.stringify([
    'seed',
    subject,
    store,
    incarnation,
    seq,
    scope,
    patterns,
    digest,
    outline,
  ]);
}
