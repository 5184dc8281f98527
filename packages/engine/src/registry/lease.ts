import type { Call } from './call.ts';
import type { Entry } from './entry.ts';
import type { Occupant } from './occupant.ts';
import { checkedTtl } from './settings.ts';
import type { Hold } from './tenure.ts';
import type { Lease } from './types.ts';

type Visit<T, O extends object> = { readonly entry: Entry<T, O>; readonly call: Call<O> };

/** Waits for a value of the entry and holds it; rejects holding nothing (registry.md §4.2). */
export async function openLease<T, O extends object>(
  approach: () => Visit<T, O>,
): Promise<Lease<T>> {
  const visit = approach();
  const { entry, call } = visit;
  if (call.signal?.aborted === true) throw abortError();
  const hold = entry.enter(call);
  try {
    await unlessAborted(entry.demand(call), call.signal);
    const occupant = entry.occupant ?? (await admitted(visit));
    if (!hold.live) throw abortError();
    return leaseOf(entry.key, occupant, hold);
  } catch (error) {
    hold.end();
    throw error;
  }
}

/** Between the answer and its arrival the value may have been closed; what is closed is never handed out (§2.3). */
async function admitted<T, O extends object>(visit: Visit<T, O>): Promise<Occupant<T, O>> {
  const { entry, call } = visit;
  await unlessAborted(entry.demand(call), call.signal);
  return entry.occupant ?? admitted(visit);
}

/** The error of a use that its own signal ended. */
function abortError(): Error {
  const error = new Error('the use was aborted by its signal');
  error.name = 'AbortError';
  return error;
}

/** Waits for the answer; rejects at once when the signal fires. */
function unlessAborted(answer: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  const wait = Promise.resolve(answer);
  if (signal === undefined) return wait;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortError());
    const settled = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    wait.finally(settled).then(resolve, reject);
  });
}

function leaseOf<T, O extends object>(key: string, occupant: Occupant<T, O>, hold: Hold): Lease<T> {
  return {
    key,
    value: occupant.value,
    generation: occupant.generation,
    signal: occupant.life,
    update: (options) => {
      if (options.ttl !== undefined) checkedTtl(options.ttl);
      hold.update(options);
    },
    release: hold.end,
    [Symbol.asyncDispose]: async () => hold.end(),
  };
}
