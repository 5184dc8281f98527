import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Figure, type Result, summarise } from './figure.ts';
import { Reader } from './load/reader.ts';
import { paced, Probe, quantile, stamp } from './load/timed.ts';
import { mount, topic, Writer } from './load/writers.ts';
import { type Running, start } from './servers/process.ts';

/**
 * Many open connections under a steady load, once with all of them reading and once with some that do not; and what
 * compaction costs writers. Adds its figures to `bench/results.json` as `load-*`. `--seconds 20` to try it.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    connections: { type: 'string', default: '5000' },
  },
});
const seconds = Number(options.seconds);
const isWhole = seconds >= 300;
const connections = Math.min(Number(options.connections), descriptors() - 500);

const EVENTS_PER_SECOND = 1000;
const PROBES = 10;
const LAST = 'z'.repeat(60_000);
const LATE_MS = 120_000;
const TOLD_MS = 10_000;
const COMMITS_PER_SECOND = 500;

const results: Record<string, Result> = {};
await fanOut('load', () => false);
await fanOut('load-stalled', (index) => index % 20 === 7);
await compaction();
if (isWhole) {
  const file = new URL('./results.json', import.meta.url);
  const kept: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  writeFileSync(file, `${JSON.stringify(Object.assign({}, kept, results), null, 2)}\n`);
}
if (isWhole && Object.values(results).some(({ pass }) => !pass)) process.exitCode = 1;

/** 1,000 events a second to a tenth of the connections; the others are joined, and hear nothing. */
async function fanOut(name: string, isStalled: (index: number) => boolean): Promise<void> {
  const server = await start('loaded');
  const crowd = await gather(server.port);
  const probes = await Promise.all(
    Array.from({ length: PROBES }, (_, index) => Probe.open(server.port, `p${index}`)),
  );
  const writer = await Writer.open(server.port, 'w', 1);
  const stalled = crowd.readers.filter((_, index) => isStalled(index));
  for (const reader of stalled) reader.stall();
  const progress = follow(name, writer);
  // What the first half fills is not growth: buffers, the cache of the database, what waits for peers that hang.
  let sent = await paced(EVENTS_PER_SECOND, seconds / 2, () => writer.write(stamp()));
  const before = await server.ask('rss');
  sent += await paced(EVENTS_PER_SECOND, seconds / 2, () => writer.write(stamp()));
  const after = await server.ask('rss');
  clearInterval(progress);
  for (const reader of stalled) reader.resume();
  writer.write(LAST);
  // Who reads hears everything; who hangs may have been closed by then, and is not left with a part.
  const reading = crowd.readers.filter((reader) => !stalled.includes(reader));
  const missing = await unheard(crowd.audience);
  const delays = probes.flatMap((probe) => probe.delays);
  const refused = sent + 1 - writer.acknowledged;
  const errors = reading.filter((reader) => reader.closed).length + missing + refused;
  tell(`${name}-connections`, { unit: 'open', goal: [1, 'least'] }, connections, 5000);
  tell(`${name}-errors`, { unit: 'lost', goal: [0, 'most'] }, errors, 1);
  tell(`${name}-p99`, { unit: 'ms', goal: [1, 'most'] }, quantile(delays, 0.99), 100);
  tell(`${name}-memory`, { unit: 'MiB', goal: [1.2, 'most'] }, after / 2 ** 20, before / 2 ** 20);
  for (const { socket } of probes) socket.terminate();
  for (const reader of crowd.readers) reader.close();
  writer.close();
  await server.stop();
}

/** Says now and then how far it is; a run takes minutes. */
function follow(name: string, writer: Writer): NodeJS.Timeout {
  const since = performance.now();
  return setInterval(() => {
    const passed = Math.round((performance.now() - since) / 1000);
    console.error(`${name}: ${passed} of ${seconds} s, ${writer.acknowledged} events committed`);
  }, TOLD_MS);
}

type Crowd = { readonly readers: readonly Reader[]; readonly audience: readonly Reader[] };

async function gather(port: number): Promise<Crowd> {
  const readers: Reader[] = [];
  for (let index = 0; index < connections; index += 1) {
    const reader = await Reader.open(port, mount(`r${index}`), () => undefined);
    const payload = { last_store_seq: 0, patterns: [index % 10 === 7 ? 'w/**' : 'quiet/**'] };
    reader.send(JSON.stringify(['1', '1', topic, 'phx_join', payload]));
    readers.push(reader);
  }
  // The join reply and `catch_up_complete`.
  await until(() => readers.every(({ messages }) => messages >= 2));
  return { readers, audience: readers.filter((_, index) => index % 10 === 7) };
}

/** How many are open and have not heard the last event in time. */
async function unheard(audience: readonly Reader[]): Promise<number> {
  const late = performance.now() + LATE_MS;
  const waiting = (): number =>
    audience.filter(({ large, closed }) => large === 0 && !closed).length;
  await until(() => waiting() === 0 || performance.now() > late);
  return waiting();
}

/** One commit after the other, at rest and while the log is forgotten. */
async function compaction(): Promise<void> {
  const server = await start('loaded');
  await fill(server, isWhole ? 600_000 : 30_000);
  const writer = await Writer.open(server.port, 'c', 1);
  const idle = await commits(
    writer,
    paced(COMMITS_PER_SECOND, isWhole ? 20 : 2, () => undefined),
  );
  const busy = await commits(writer, server.ask('compact'));
  tell('load-compaction-p99', { unit: 'ms', goal: [2, 'most'] }, busy, idle);
  writer.close();
  await server.stop();
}

async function fill(server: Running, ops: number): Promise<void> {
  const writer = await Writer.open(server.port, 'f', 100);
  let sent = 0;
  await new Promise<void>((resolve) => {
    writer.onAcknowledged = () => {
      if (sent < ops) writer.write();
      else if (writer.acknowledged === sent) resolve();
      sent = Math.min(ops, sent + 1);
    };
    for (; sent < 256; sent += 1) writer.write();
  });
  writer.close();
}

/** The 99th percentile of commits that are made, one by one, until something ends. */
async function commits(writer: Writer, end: Promise<unknown>): Promise<number> {
  const times: number[] = [];
  let ended = false;
  const ending = end.then(() => (ended = true));
  await new Promise<void>((resolve) => {
    let since = performance.now();
    writer.onAcknowledged = () => {
      times.push(performance.now() - since);
      if (ended) return resolve();
      since = performance.now();
      writer.write();
    };
    writer.write();
  });
  await ending;
  return quantile(times, 0.99);
}

function tell(
  id: string,
  { unit, goal: [ratio, at] }: { unit: string; goal: readonly [number, 'least' | 'most'] },
  ours: number,
  limit: number,
): void {
  const measure: Figure['measure'] = () => Promise.resolve({ ours, limit });
  const result = summarise({ id, unit, against: '', goal: { ratio, at }, measure }, [
    { ours, limit },
  ]);
  results[id] = result;
  console.log(id.padEnd(26), result.ours, result.limit, unit, result.pass ? 'ok' : 'MISSED');
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** How many files this process may have open; each connection is one of its. */
function descriptors(): number {
  if (!existsSync('/proc/self/limits')) return 10_000;
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 10_000);
}
