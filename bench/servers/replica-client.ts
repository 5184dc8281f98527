import { createClient } from '@holdfast/client';
import { settings } from './answers.ts';

/* A client in a process of its own, so that its CPU time is nobody else's. */
const PATTERNS = 1000;
const { port, seconds } = settings();
const client = createClient({ url: `ws://127.0.0.1:${Number(port)}`, token: 'bench' });
const store = client.store('bench/main');
let events = 0;
for (let room = 0; room < PATTERNS; room += 1) {
  store.on(`rooms/${room}/**`, () => (events += 1), { maxQueue: 100_000 });
}
await store.ready;

process.on('message', (question) => {
  if (question === 'percent') {
    void measure(Number(seconds) * 1000).then((percent) => process.send?.(percent));
  }
  if (question === 'stop') void client.close().then(() => process.exit(0));
});
process.send?.(0);

async function measure(ms: number): Promise<number> {
  await passed(500);
  const seqBefore = store.status.get().seq;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await passed(ms);
  const cpu = process.cpuUsage(cpuBefore);
  const took = performance.now() - startedAt;
  const applied = ((store.status.get().seq - seqBefore) / took) * 1000;
  if (applied < 9000 || events === 0) throw new Error(`only ${applied} ops a second arrived`);
  return ((cpu.user + cpu.system) / 1000 / took) * 100;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
