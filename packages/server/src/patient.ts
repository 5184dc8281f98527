import type { Credentials } from './access/index.ts';
import type { Clock } from './host/clock.ts';
import { inTime } from './storage/in-time.ts';

/** So long it may take to say who somebody is: whoever waits behind it would wait for ever. */
const PATIENCE = { ms: 5000, late: () => new Error('the authenticator is too slow') };

/** An authenticator that fails where it says nothing in time. */
export function patient<Answer>(
  authenticate: (credentials: Credentials) => Answer | Promise<Answer>,
  clock: Clock,
): (credentials: Credentials) => Promise<Answer> {
  return (credentials) => inTime(clock, () => authenticate(credentials), PATIENCE);
}
