import { gzipSync } from 'node:zlib';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { WebSocket } from 'ws';
import { expect, test } from 'vitest';
import { set, topic, type World, world } from '../conversation/world.ts';

const api = '/api/stores/demo/main';

type Init = Omit<RequestInit, 'headers'> & {
  readonly headers?: { readonly [name: string]: string };
};

function ask(url: string, path: string, init: Init = {}): Promise<Response> {
  const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
  return fetch(`${url}${path}`, { ...init, headers: { ...headers, ...init.headers } });
}

/** The server goes on as if nothing had been. */
async function isUnharmed({ url, joined }: World): Promise<void> {
  const peer = await joined({ device: 'after' });
  const reply = await peer.ask(topic, 'write', set('after/all', 1, 'after:s:1'));
  expect(reply.status).toBe('ok');
  expect((await ask(url, `${api}/entries/after/all`)).status).toBe(200);
}

test.each([
  ['arrays', '['.repeat(500_000), ''],
  ['objects', '{"a":'.repeat(100_000), ''],
  ['closed arrays', '['.repeat(200_000), ']'.repeat(200_000)],
])(
  'JSON bombs: %s within each other are refused, by HTTP and on a socket',
  async (_, open, end) => {
    const home = await world();
    const bomb = `${open}${end}`;
    const put = await ask(home.url, `${api}/entries/a`, { method: 'PUT', body: bomb });
    expect(put.status).toBeGreaterThanOrEqual(400);
    expect(put.status).toBeLessThan(500);
    const transact = { method: 'POST', body: `{"ops":[{"op":"set","path":"a","value":${bomb}}]}` };
    expect((await ask(home.url, `${api}/transact`, transact)).status).toBeLessThan(500);
    const line = { method: 'POST', body: `{"path":"a","type":"map","value":${bomb}}\n` };
    const imported = await ask(home.url, `${api}/import?headerless=slash`, line);
    expect(await imported.json()).toMatchObject({ imported: 0 });
    const peer = await home.joined();
    peer.sendRaw(
      `["1","9","${topic}","write",{"op":"set","path":"a","client_op_id":"x","value":${bomb}}]`,
    );
    await peer.ask('phoenix', 'heartbeat', {});
    await isUnharmed(home);
  },
);

test('JSON bombs: arrays within each other as MessagePack are refused', async () => {
  const home = await world();
  const peer = await home.joined({ vsn: '3.0.0' });
  const head = messagePackCodec().encode(['1', '9', topic, 'write', 0]);
  if (typeof head === 'string') throw new Error('text');
  for (const depth of [1000, 500_000]) {
    const bomb = new Uint8Array(depth).fill(0x91);
    peer.sendRaw(Buffer.concat([head.subarray(0, head.length - 1), bomb, Uint8Array.of(0xc0)]));
  }
  // Announces more than there is: 4 Gi members, 4 GiB of text.
  for (const code of [0xdd, 0xdf, 0xdb, 0xc6]) {
    peer.sendRaw(Buffer.from([code, 0xff, 0xff, 0xff, 0xff]));
  }
  await isUnharmed(home);
});

test('decompression bombs: nothing that comes is unpacked, neither bodies nor frames', async () => {
  const home = await world();
  const body = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
  const put = await ask(home.url, `${api}/entries/a`, {
    method: 'PUT',
    body,
    headers: { 'content-encoding': 'gzip' },
  });
  expect(put.status).toBe(415);
  const address = `${home.url.replace('http', 'ws')}/ws/sync/websocket?vsn=2.0.0&capver=4&device_id=d&token=dev`;
  const socket = new WebSocket(address, { perMessageDeflate: true });
  await new Promise((resolve) => socket.once('open', resolve));
  expect(socket.extensions).toBe('');
  socket.terminate();
  await isUnharmed(home);
});

test('decompression bombs: where compression is configured a frame is unpacked up to the cap on frames, and ends its socket there', async () => {
  const home = await world({ deflate: true });
  const address = `${home.url.replace('http', 'ws')}/ws/sync/websocket?vsn=2.0.0&capver=4&device_id=d&token=dev`;
  const socket = new WebSocket(address, { perMessageDeflate: true });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('open', resolve));
  expect(socket.extensions).toContain('permessage-deflate');
  const answer = new Promise((resolve) =>
    socket.once('message', (data: Buffer) => resolve(data.toString())),
  );
  const spaces = ' '.repeat(2 * 1024 * 1024);
  socket.send(`[null,"1","phoenix","heartbeat",{"a":"${spaces}"}]`);
  expect(await answer).toContain('"reason":"frame_too_large"');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.send(' '.repeat(64 * 1024 * 1024));
  expect(await closed).toBe(1009);
  await isUnharmed(home);
});

test('prototype pollution: names of prototypes are names of leaves like others, and change nothing', async () => {
  const home = await world();
  const peer = await home.joined();
  const bomb = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}';
  let count = 0;
  const write = (op: string, path: string, value: string): Promise<object> => {
    count += 1;
    const ref = peer.ref();
    peer.sendRaw(
      `["${peer.joinRef}","${ref}","${topic}","write",{"op":"${op}","path":"${path}","client_op_id":"d1:s:${count}","value":${value}}]`,
    );
    return peer.reply(ref);
  };
  await write('set', 'a', bomb);
  await write('merge', 'b', bomb);
  await write('set', '__proto__', bomb);
  await write('set', '__proto__/polluted', '3');
  await write('set', 'constructor/prototype/polluted', '4');
  await write('increment', 'a/__proto__/polluted', '1');
  await ask(home.url, `${api}/transact`, {
    method: 'POST',
    body: `{"__proto__":{"polluted":5},"ops":[{"op":"set","path":"c","value":${bomb}}]}`,
  });
  await ask(home.url, `${api}/import?headerless=dotted`, {
    method: 'POST',
    body: '{"path":"__proto__.polluted","value":6}\n{"path":"x.constructor.prototype","value":7}\n',
  });
  await ask(home.url, `${api}/entries/batch`, { method: 'POST', body: '{"paths":["__proto__"]}' });
  for (const path of ['a', '__proto__', 'constructor', '__proto__/polluted', 'toString']) {
    const answer = await ask(home.url, `${api}/entries/${path}?__proto__=1&constructor=2`);
    expect([200, 400, 404]).toContain(answer.status);
  }
  const read: unknown = await (await ask(home.url, `${api}/entries/a`)).json();
  expect(JSON.stringify(read)).toContain('polluted');
  await peer.ask(topic, '__proto__', {});
  await peer.ask('__proto__', 'constructor', {});
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
  await isUnharmed(home);
});

/** What makes bad patterns go back and forth: runs of what they repeat, and an end that does not fit. */
const runs = [
  ' ',
  'a',
  'a,',
  '1-1,',
  'a;',
  '"',
  '\\"',
  '="',
  'a=',
  '*',
  '*a',
  '?',
  '~',
  '/',
  '.',
  'a.',
  'eyJ.',
  '%',
];

test('ReDoS: no header, query or pattern costs more than its length', async () => {
  const home = await world();
  await ask(home.url, `${api}/files/f`, { method: 'PUT', body: 'abc' });
  const names = ['Range', 'If-Match', 'If-None-Match', 'If-Range', 'Accept', 'Accept-Encoding'];
  const more = ['Content-Disposition', 'Content-Range', 'Cookie', 'Origin', 'Repr-Digest'];
  const others = ['X-Request-Id', 'Idempotency-Key', 'Last-Event-ID', 'Authorization'];
  const begun = performance.now();
  for (const run of runs) {
    const text = `${run.repeat(6000 / run.length)}!`;
    for (const name of [...names, ...more, ...others]) {
      const headers = { [name]: `bytes=${text}` };
      await ask(home.url, `${api}/files/f`, { headers });
      if (more.includes(name)) await ask(home.url, `${api}/files/f`, { method: 'PUT', headers });
    }
    const query = encodeURIComponent(text.slice(0, 1000));
    await ask(home.url, `${api}/entries?pattern=${query}`);
    await ask(home.url, `${api}/log?path=${query}&since=${query}`);
  }
  expect(performance.now() - begun).toBeLessThan(50_000);
}, 120_000);

test('ReDoS: a glob of many stars is matched in time that grows with its length only', async () => {
  const home = await world();
  const peer = await home.joined();
  for (let n = 0; n < 50; n += 1) {
    const path = `${'a'.repeat(200)}${n}/${'a'.repeat(200)}`;
    await peer.ask(topic, 'write', set(path, n, `d1:s:${n}`));
  }
  const globs = [
    `${'*a'.repeat(60)}b/*`,
    `${'a*'.repeat(60)}/**`,
    `*/${'*a'.repeat(60)}b`,
    '*/*/**',
  ];
  const begun = performance.now();
  for (const glob of globs) {
    const answer = await ask(home.url, `${api}/entries?pattern=${encodeURIComponent(glob)}`);
    expect([200, 400]).toContain(answer.status);
    const other = await home.connect({ device: 'g' });
    await other.join(topic, { last_store_seq: 0, patterns: [glob] });
  }
  expect(performance.now() - begun).toBeLessThan(20_000);
});
