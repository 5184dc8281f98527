import type { DustClient } from './dust-client.ts';
import { DustError } from './dust-client.ts';

/** How a value was come by. */
export type Flight = { readonly how: 'cached' | 'computed' | 'awaited'; readonly value: unknown };

/** What a single flight is for, and how long the one who runs is waited for. */
export type FlightPlan = {
  readonly key: string;
  readonly ttlMs: number;
  readonly run: () => Promise<unknown>;
};

/** Lets one of all clients run a function whose result is kept at a key (stores.md §18, C22). */
export async function singleFlight(client: DustClient, plan: FlightPlan): Promise<Flight> {
  const { key, ttlMs, run } = plan;
  const lock = `_dust:sf/${key}`;
  let how: 'cached' | 'awaited' = 'cached';
  for (;;) {
    const kept = client.get(key);
    if (typeof kept === 'string') return { how, value: JSON.parse(kept) };
    const lease = await client.write('lease', lock, { ttl_ms: ttlMs }).catch((error: unknown) => {
      if (error instanceof DustError && error.response['reason'] === 'held') return error.response;
      throw error;
    });
    if ('token' in lease) return fly(client, { key, lock, token: Number(lease['token']), run });
    how = 'awaited';
    await landing(client, { key, lock, expiresAt: Number(lease['expires_at']) });
  }
}

async function fly(
  client: DustClient,
  flight: { key: string; lock: string; token: number; run: FlightPlan['run'] },
): Promise<Flight> {
  const { key, lock, token, run } = flight;
  const release = () => client.write('release', lock, { token });
  try {
    const value = await run();
    const fence = { key: lock, token };
    await client.write('set', key, { value: JSON.stringify(value), fence });
    await release();
    return { how: 'computed', value };
  } catch (error) {
    if (error instanceof Aborted) await release();
    throw error;
  }
}

/** The one who ran gave up and lets another run at once. */
export class Aborted extends Error {}

/** Resolves when the value is there, the lock is released, or the lease has expired. */
function landing(
  client: DustClient,
  { key, lock, expiresAt }: { key: string; lock: string; expiresAt: number },
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      unwatch();
      clearTimeout(timer);
      resolve();
    };
    const unwatch = client.watch(({ path, op }) => {
      if (path === key || (path === lock && op === 'release')) done();
    });
    const timer = setTimeout(done, Math.max(1, expiresAt - Date.now() + 1));
  });
}
