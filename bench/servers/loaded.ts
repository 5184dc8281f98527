import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { createServer } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { serve } from './answers.ts';
import { authenticate } from './principal.ts';

const STEP_ROWS = 1000;
const KEPT_OPS = 10_000;

// A server as `holdfast.ts` starts it, which also forgets its log when it is asked to, step by step as its compactor does.
const data = mkdtempSync(join(tmpdir(), 'holdfast-load-'));
const storage = sqlite({ directory: data });
const server = createServer({
  rates: false,
  storage,
  limits: { max_sockets_per_token: 10_000, idle_timeout_ms: 3_600_000 },
  authenticate,
});
const store = await server.stores.create('bench/main');
const { port } = await server.listen();
process.on('message', (question) => {
  if (question === 'compact' && store !== null) void compact(store.id);
});
serve(port, async () => {
  await server.close();
  rmSync(data, { recursive: true, force: true });
});

/** Tells how many ops were forgotten. */
async function compact(id: string): Promise<void> {
  const standing = await storage.open(id);
  const first = standing?.oldestSeq ?? 1;
  const through = (standing?.head ?? 0) - KEPT_OPS;
  let oldest = first;
  while (oldest <= through) {
    oldest = await storage.compact(id, through, STEP_ROWS);
    await turn();
  }
  process.send?.(oldest - first);
}
