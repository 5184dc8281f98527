import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { EpochMs } from '@holdfast/protocol';

/** A new secret: `whsec_` and 64 hex digits (stores.md §17.1). */
export function newSecret(): string {
  return `whsec_${randomBytes(32).toString('hex')}`;
}

/** The headers by which a receiver knows who sent a body, and when (stores.md §17.2). */
export function signatureOf(
  secret: string,
  body: string,
  at: EpochMs,
): { readonly [name: string]: string } {
  const seconds = Math.floor(at / 1000);
  return {
    'Holdfast-Signature': `t=${seconds},v1=${hmac(secret, `${seconds}.${body}`)}`,
    'x-dust-signature': `sha256=${hmac(secret, body)}`,
  };
}

function hmac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('hex');
}

/** A UUID that is the same for every attempt to deliver the same, after a restart too (RFC 9562, version 8). */
export function deliveryId(webhook: string, what: string): string {
  const hex = createHash('sha256').update(`${webhook} ${what}`).digest('hex');
  const variant = '89ab'[parseInt(hex.charAt(16), 16) % 4];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
