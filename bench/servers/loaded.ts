import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, createServer } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { serve } from './answers.ts';
import { authenticate } from './principal.ts';

const COMPACTION_MS = 10 * 60_000;
const KEPT_OPS = 10_000;

/** What the compactor waits for: it comes when the parent asks, not after ten minutes. */
let sweep: (() => void) | null = null;
let asked = false;
const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (run, ms) => {
    if (ms !== COMPACTION_MS) return Number(setTimeout(run, ms).unref());
    sweep = run;
    if (asked) void tellForgotten();
    return null;
  },
  clearTimeout: (handle) => {
    if (typeof handle === 'number') clearTimeout(handle);
  },
  setImmediate: (run) => void setImmediate(run),
};

// A server as `holdfast.ts` starts it, which forgets its log when it is asked to.
const data = mkdtempSync(join(tmpdir(), 'holdfast-load-'));
const storage = sqlite({ directory: data });
const server = createServer({
  rates: false,
  storage,
  clock,
  retention: { ms: 1, ops: KEPT_OPS },
  limits: { max_sockets_per_token: 10_000, idle_timeout_ms: 3_600_000 },
  authenticate,
});
const store = await server.stores.create('bench/main');
const { port } = await server.listen();
process.on('message', (question) => {
  if (question !== 'compact' || sweep === null) return;
  asked = true;
  sweep();
});
serve(port, async () => {
  await server.close();
  rmSync(data, { recursive: true, force: true });
});

/** Tells how many ops were forgotten. */
async function tellForgotten(): Promise<void> {
  asked = false;
  const standing = store === null ? null : await storage.open(store.id);
  process.send?.((standing?.oldestSeq ?? 1) - 1);
}
