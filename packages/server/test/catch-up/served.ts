// A server process of its own; the tests start it, see `child.ts`.
import type { Batch } from '@holdfast/engine/authority';
import { asPath, asStoreName, type Entry } from '@holdfast/protocol';
import { createServer, scopes } from '@holdfast/server';
import type { Storage } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';

const [, , mode = '', argument = ''] = process.argv;
const BATCH = 1000;

/** A storage with one store of so many leaves. */
async function filled(count: number): Promise<Storage> {
  const storage = memory();
  const id = '00000000-0000-4000-8000-000000000000';
  const name = asStoreName('demo/main');
  await storage.stores.create({ id, name, incarnation: 'i', expiresAt: null });
  for (let head = 0; head < count; head += BATCH) {
    await storage.append(id, head, batchAfter(head));
  }
  return storage;
}

function batchAfter(head: number): Batch {
  const leaves = Array.from({ length: BATCH }, (_, at): Entry => {
    const seq = head + at + 1;
    const path = asPath(`countries/${seq % 100}/cities/${seq}`);
    return { path, value: `city number ${seq}`, type: 'string', revision: seq };
  });
  const ops = leaves.map(({ path, value, revision }) => ({
    seq: revision,
    op: 'set' as const,
    path,
    value,
    arg: null,
    deviceId: 'filler',
    clientOpId: `fill-${revision}`,
    tx: null,
    at: Date.now(),
    principal: null,
    removed: [],
  }));
  const entries = leaves.map(({ path, ...leaf }) => [path, leaf] as const);
  return { ops, entries, maps: [], answers: [] };
}

const server = createServer({
  rates: false,
  ...(mode === 'memory' ? { storage: await filled(Number(argument)) } : { data: argument }),
  authenticate: async ({ token }) =>
    token === 'dev'
      ? {
          subject: 'dev',
          orgs: ['demo'],
          scopes: new Set(scopes),
          storeAccess: { mode: 'all' },
          expiresAt: null,
          tokenId: null,
        }
      : null,
});
const { url } = await server.listen();
await server.stores.create('demo/main');
// The longest turn of the event loop, by the processor's time: a shared machine may take the processor away for a while.
let used = threadMs();
let longestMs = 0;
function turned(): void {
  const now = threadMs();
  longestMs = Math.max(longestMs, now - used);
  used = now;
  setImmediate(() => setTimeout(turned, 1));
}
turned();
process.on('message', () => {
  process.send?.({ blockMs: longestMs });
  longestMs = 0;
});

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

process.on('disconnect', () => process.exit(1));
process.send?.({ url });
