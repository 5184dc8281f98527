import { createHash } from 'node:crypto';
import type { RecordContext } from '@holdfast/protocol';
import { encodeExact, type Envelope, type HandshakeRequest } from '@holdfast/protocol/record';

/** Who knows what pages of the server were rendered from (records.md §18). */
export type Voucher = {
  /** Whether somebody has an envelope as a page was rendered from it. */
  vouched(subject: string | null, key: string, proof: string): boolean;
};

/** What is asked; without what somebody says to have from a page, where nobody vouches for that. */
export function vouched(
  seeds: Voucher,
  { principal }: RecordContext,
  asked: HandshakeRequest,
): HandshakeRequest {
  const { key, record, params, client_version: version, seed } = asked;
  if (seed === undefined || seeds.vouched(principal.subject, key, seed)) return asked;
  return { key, record, params, client_version: version };
}

/** Whether what somebody has from a page is, to the last bit, what it would be shown by now; the page must be vouched for. */
export function isAsRendered({ seed }: HandshakeRequest, envelope: Envelope): boolean {
  if (seed === undefined) return false;
  const digest = createHash('sha256')
    .update(JSON.stringify(encodeExact(envelope)))
    .digest('hex');
  return seed.startsWith(`${digest}.`);
}
