import { WebSocket } from 'ws';
import type { Figure } from '../figure.ts';
import { Audience } from '../load/audience.ts';
import { mount } from '../load/writers.ts';
import { type Running, start } from '../servers/process.ts';

const SUBSCRIBERS = 1000;
const TOPIC = 'musubi:connection:Room:r';
const TEXT = 'v'.repeat(200);

/** What an update of a shared view costs the server with 1,000 subscribers, in processor time. */
export const viewShared: Figure = {
  id: 'view-shared',
  unit: 'ms of CPU per update',
  against: 'a bare ws server that sends the same bytes to each subscriber',
  goal: { ratio: 1.5, at: 'most' },
  measure: async (quick) => {
    const updates = quick ? 10 : 300;
    return { ours: await ofView(updates), limit: await ofBare(updates) };
  },
};

async function ofView(updates: number): Promise<number> {
  const server = await start('views');
  const audience = await Audience.ofView(server.port, SUBSCRIBERS);
  const socket = await opened(`ws://127.0.0.1:${server.port}${mount('w')}`);
  socket.send(JSON.stringify(['1', '1', TOPIC, 'phx_join', { module: 'Room', id: 'r' }]));
  const cost = await costOf({ server, audience, updates }, (n) => {
    const payload = { name: 'say', payload: { said: `${n}${TEXT}` } };
    socket.send(JSON.stringify(['1', `c${n}`, TOPIC, 'command', payload]));
  });
  socket.terminate();
  return cost;
}

async function ofBare(updates: number): Promise<number> {
  const server = await start('bare');
  const audience = await Audience.ofBare(server.port, SUBSCRIBERS);
  const socket = await opened(`ws://127.0.0.1:${server.port}/writer`);
  const cost = await costOf({ server, audience, updates }, (n) => {
    const op = { op: 'replace', path: '/said', value: `${n}${TEXT}` };
    const rest = { ops: [op], stream_ops: [], upload_ops: [], events: [] };
    const head = { type: 'patch', root_id: 'Room:r', base_version: n, version: n + 1 };
    socket.send(JSON.stringify(['1', null, TOPIC, 'patch', { ...head, ...rest }]));
  });
  socket.terminate();
  return cost;
}

type Side = { readonly server: Running; readonly audience: Audience; readonly updates: number };

/** Milliseconds of the server's processor for each update, the next sent when everybody has the one before. */
async function costOf(
  { server, audience, updates }: Side,
  update: (n: number) => void,
): Promise<number> {
  const base = Math.max(...audience.readers.map(({ messages }) => messages));
  let before = 0;
  const warmUp = Math.ceil(updates / 2);
  for (let n = 1; n <= warmUp + updates; n += 1) {
    if (n === warmUp + 1) before = await server.ask('cpu');
    update(n);
    await audience.until(({ messages }) => messages >= base + n);
  }
  const cost = ((await server.ask('cpu')) - before) / 1000 / updates;
  audience.close();
  await server.stop();
  return cost;
}

function opened(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}
