import type { Lease } from '@holdfast/client';
import { type Output, printable } from './output.ts';

/** How long a lease holds. */
export const ttlArg = {
  type: 'string',
  valueHint: 'DURATION',
  default: '30s',
  description: 'How long it holds unless it is renewed, at most 24h',
} as const;

/** The token that `lease` told. */
export const leaseTokenArg = {
  type: 'positional',
  description: 'The token that "holdfast lease" told',
} as const;

/** Shows a lease that is held. */
export function showLease(output: Output, { key, token, holder, expiresAt }: Lease): void {
  const until = new Date(expiresAt).toISOString();
  const record = { path: key, token, holder, expires_at: expiresAt };
  output.record(record, (paint) =>
    [
      `${paint.green('✓')} ${printable(key)} is held until ${until}`,
      `  ${paint.dim('token')} ${token}  ${paint.dim(`--fence '${printable(key)}:${token}'`)}`,
    ].join('\n'),
  );
}
