import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { parseStoreName } from '@holdfast/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { settings } from './answers.ts';

/*
 * The limit of the figure `commit`: the rows that the server writes for a `set`, in transactions of 256, by the same
 * library into the same tables, with nothing around it. And of `latency`: an echo that commits such rows first.
 */
const BATCH = 256;
const CLIENTS = 16;
const { seconds, valueBytes } = settings();
const directory = mkdtempSync(join(tmpdir(), 'holdfast-raw-'));
const storage = sqlite({ directory });
const name = parseStoreName('bench/main');
if (name === null) throw new Error('no name');
await storage.stores.create({ id: 'raw', name, incarnation: 'raw', expiresAt: null });
await storage.close();

const db = new DatabaseSync(join(directory, 'holdfast.db'));
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;');
const log = db.prepare('INSERT INTO log VALUES (1, ?, ?, ?, ?, NULL, ?, ?, NULL, ?, ?, NULL)');
const entry = db.prepare(
  'INSERT INTO entries VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, type = excluded.type, revision = excluded.revision',
);
const answer = db.prepare("INSERT INTO answers VALUES (1, ?, ?, ?, ?, ?, NULL, '=bench')");
const high = db.prepare(
  'INSERT INTO highs VALUES (1, ?, ?, ?) ON CONFLICT DO UPDATE SET counter = excluded.counter, seq = excluded.seq',
);
const head = db.prepare('UPDATE stores SET head = ?, answers = answers + ? WHERE key = 1');
const value = JSON.stringify('v'.repeat(Number(valueBytes)));
let seq = 0;

process.on('message', (question) => {
  if (question === 'rate') process.send?.(rate(Number(seconds) * 1000));
  if (question === 'stop') {
    db.close();
    rmSync(directory, { recursive: true, force: true });
    process.exit(0);
  }
});
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => echo(socket, data));
});
server.on('listening', () => {
  const address = server.address();
  process.send?.(typeof address === 'object' && address !== null ? address.port : 0);
});

function rate(ms: number): number {
  run(300);
  const before = seq;
  const startedAt = performance.now();
  run(ms);
  return (seq - before) / ((performance.now() - startedAt) / 1000);
}

/** Makes the message durable, then sends it back. */
function echo(socket: WebSocket, data: Buffer): void {
  db.exec('BEGIN IMMEDIATE');
  write();
  high.run('d0:s', seq, seq);
  head.run(seq, 1);
  db.exec('COMMIT');
  socket.send(data, { binary: false });
}

function run(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    db.exec('BEGIN IMMEDIATE');
    for (let written = 0; written < BATCH; written += 1) write();
    for (let client = 0; client < CLIENTS; client += 1) high.run(`d${client}:s`, seq, seq);
    head.run(seq, BATCH);
    db.exec('COMMIT');
  }
}

function write(): void {
  seq += 1;
  const device = `d${seq % CLIENTS}`;
  const path = `${device}/p${seq % 500}`;
  const opId = `${device}:s:${seq}`;
  const now = Date.now();
  log.run(seq, 'set', path, value, device, opId, now, 'bench');
  entry.run(path, value, 'string', seq);
  answer.run(seq, opId, device, seq * 31, now);
}
