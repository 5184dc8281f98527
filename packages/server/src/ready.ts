import type { Storage } from './storage/port.ts';

/** Whether a server can serve, and what of it cannot (stores.md §19.2). */
export async function readiness(
  storage: Storage,
  isDraining: () => boolean,
): Promise<{ ok: boolean; checks: { [part: string]: string } }> {
  const database = await storage.stores.list({ limit: 1 }).then(
    () => 'ok',
    () => 'failed',
  );
  const ok = database === 'ok' && !isDraining();
  return { ok, checks: { database, pubsub: 'ok', ...(isDraining() && { server: 'draining' }) } };
}
