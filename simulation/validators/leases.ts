import { isObject, type Op, type Seq } from '@holdfast/protocol';
import type { Problem } from './history.ts';
import type { Truth } from './truth.ts';

/** Where {@link exclusive} looks: a lease, and the leaves that are only written under it, each with its token. */
export const guardedBy = 'lock';
/** Below it, values are the tokens of the leases that fenced them. */
export const guardedPrefix = 'guarded/';

/**
 * A lease has one holder at a time, each with a greater token than the one before, and what it fences is only written by
 * whoever holds it then (P16, P17). `clock` tells when an op was stored, by a clock that nobody sets; null where nobody knows.
 * `unsure` are the times of that clock at which leases may have ended early, as they do where a server restarts after its
 * wall clock was set.
 */
export function exclusive(
  truth: Truth,
  clock: ((seq: Seq) => number) | null,
  unsure: readonly number[] = [],
): Problem[] {
  const problems: Problem[] = [];
  let held: Held | null = null;
  let last = 0;
  for (const op of truth.ops) {
    const now = clock?.(op.seq) ?? null;
    if (op.path === guardedBy) {
      const lease = leaseIn(op, now ?? 0);
      if (op.op === 'lease' && lease !== null) {
        const isUnsure = unsure.some((at) => at >= (held?.since ?? 0) && at <= (now ?? 0));
        problems.push(...granted(op, lease.token, { held: isUnsure ? null : held, last, now }));
        last = lease.token;
      }
      held = lease;
    } else {
      problems.push(...written(op, held));
    }
  }
  return problems;
}

type Held = { readonly token: number; readonly since: number; readonly until: number };

function written(op: Op, held: Held | null): readonly Problem[] {
  if (!op.path.startsWith(guardedPrefix) || op.value === held?.token) return [];
  const holder = held === null ? 'nobody' : String(held.token);
  return [wrong(op, `written by ${JSON.stringify(op.value)}, held by ${holder}`)];
}

function granted(
  op: Op,
  token: number,
  { held, last, now }: { readonly held: Held | null; readonly last: number; now: number | null },
): readonly Problem[] {
  if (held !== null && now !== null && now + toleranceMs < held.until) {
    return [wrong(op, `granted to ${token} while ${held.token} held it`)];
  }
  return token <= last ? [wrong(op, `${token} after ${last}`)] : [];
}

/** Between the decision and the disk. */
const toleranceMs = 200;

function leaseIn({ value, at }: Op, now: number): Held | null {
  if (!isObject(value) || value['_type'] !== 'lease') return null;
  const until = now + Number(value['expires_at']) - at;
  return { token: Number(value['token']), since: now, until };
}

function wrong({ seq, path }: Op, text: string): Problem {
  return { word: 'exclusive', text: `${path} at seq ${seq}: ${text}` };
}
