import { createClient, type WatchEvent } from '@holdfast/client';
import { leavesOf } from '../../simulation/kill/reader.ts';
import type { Problem } from '../../simulation/validators/history.ts';
import { problemsOfFeed } from '../history/fed.ts';
import { settings } from './answers.ts';

/* A client in a process of its own, so that its CPU time is nobody else's. */
const PATTERNS = 1000;
const { port, seconds } = settings();
const client = createClient({ url: `ws://127.0.0.1:${Number(port)}`, token: 'bench' });
const store = client.store('bench/main');
/** What each callback was given, as it came; it is read when the clock has stopped. */
const events: WatchEvent[][] = [];
for (let room = 0; room < PATTERNS; room += 1) {
  const heard: WatchEvent[] = [];
  events.push(heard);
  store.on(`rooms/${room}/**`, (event) => void heard.push(event), { maxQueue: 100_000 });
}
await store.ready;

process.on('message', (question) => {
  if (question === 'percent') {
    void measure(Number(seconds) * 1000).then((answer) => process.send?.(answer));
  }
  if (question === 'stop') void client.close().then(() => process.exit(0));
});
process.send?.(0);

async function measure(ms: number): Promise<number | readonly Problem[]> {
  await passed(500);
  const seqBefore = store.status.get().seq;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await passed(ms);
  const cpu = process.cpuUsage(cpuBefore);
  const took = performance.now() - startedAt;
  const applied = ((store.status.get().seq - seqBefore) / took) * 1000;
  if (applied < 9000) throw new Error(`only ${applied} ops a second arrived`);
  const shown = { seq: store.status.get().seq, entries: leavesOf(store) };
  // Until what is shown has been told.
  await passed(100);
  const problems = problemsOfFeed({ ...shown, rooms: events });
  if (problems.length > 0) return problems;
  return ((cpu.user + cpu.system) / 1000 / took) * 100;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
