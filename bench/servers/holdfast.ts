import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from '@holdfast/server';
import { serve, settings } from './answers.ts';
import { authenticate } from './principal.ts';

const given = settings()['data'];
const data = typeof given === 'string' ? given : mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const server = createServer({
  rates: false,
  data,
  limits: { max_sockets_per_token: 10_000, idle_timeout_ms: 600_000 },
  authenticate,
});
await server.stores.create('bench/main');
const { port } = await server.listen();
serve(port, async () => {
  await server.close();
  if (given === undefined) rmSync(data, { recursive: true, force: true });
});
