import { once } from 'node:events';
import { connect } from 'node:net';
import { storeName, strangerToken as token } from '../place.ts';
import type { Dice } from '../src/dice.ts';

const names = ['token', 'device_id', 'capver', 'vsn', 'x', '__proto__'];
const values = [
  '',
  token,
  'x',
  '4',
  '3',
  '-1',
  '2.0.0',
  '3.0.0',
  '%00',
  '%',
  'system:x',
  storeName,
];
const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** Requests and handshakes that make no sense, and bytes where frames should be; each socket must come to an end. */
export async function knockAround(port: number, times: number, dice: Dice): Promise<void> {
  for (let i = 0; i < times; i++) await knock(port, dice);
}

async function knock(port: number, dice: Dice): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  socket.write(dice.chance(0.5) ? request(query(dice)) : request(goodQuery()));
  const rubbish = Buffer.from(Array.from({ length: dice.below(200) }, () => dice.below(256)));
  socket.write(rubbish);
  // Whether the server ends it, or goes on waiting for the rest of a frame, is its choice.
  const timer = setTimeout(() => socket.destroy(), 50 + dice.below(100));
  await once(socket, 'close');
  clearTimeout(timer);
}

function request(search: string): string {
  return (
    `GET /ws/sync/websocket?${search} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n` +
    `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`
  );
}

function goodQuery(): string {
  return `token=${token}&device_id=knock&capver=4&vsn=2.0.0`;
}

function query(dice: Dice): string {
  const pairs = Array.from({ length: dice.below(6) }, () => [dice.pick(names), dice.pick(values)]);
  return pairs.map((pair) => pair.join('=')).join('&');
}
