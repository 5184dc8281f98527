import type { Check } from './check.ts';
import { catchUp } from './checks/catch-up.ts';
import { control } from './checks/control.ts';
import { events } from './checks/events.ts';
import { guards } from './checks/guards.ts';
import { handshake } from './checks/handshake.ts';
import { joining } from './checks/joining.ts';
import { leases } from './checks/leases.ts';
import { once } from './checks/once.ts';
import { ops } from './checks/ops.ts';
import { paths } from './checks/paths.ts';
import { scope } from './checks/scope.ts';
import { transact } from './checks/transact.ts';
import { values } from './checks/values.ts';

/** All checks, in the order in which they are held. */
export const checks: readonly Check[] = [
  ...handshake,
  ...control,
  ...joining,
  ...ops,
  ...paths,
  ...values,
  ...guards,
  ...leases,
  ...once,
  ...transact,
  ...events,
  ...catchUp,
  ...scope,
];
