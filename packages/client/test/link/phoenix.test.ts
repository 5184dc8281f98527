import { once } from 'node:events';
import { Socket } from 'phoenix';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { createClient } from '@holdfast/client';
import { linkConformance, type LinkSubject } from '@holdfast/client/link/conformance';
import { phoenixLink } from '@holdfast/client/link/phoenix';
import { openWorld } from '../world.ts';
import { Queue, QueuePeer } from './peers.ts';

// A frame as the law sends it: a push on a topic, with refs of ours. What the peer gets has the refs marked.
const frame = (n: number, mark = ''): string =>
  JSON.stringify([`${mark}1`, `${mark}${n}`, 'store:acme/app', 'phx_join', { n }]);

async function subject(): Promise<LinkSubject> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const peers = new Queue<QueuePeer>();
  const socket = new Socket(`ws://127.0.0.1:${port}/socket`, { reconnectAfterMs: () => 5 });
  server.on('connection', (connection) => {
    const peer = new QueuePeer({
      send: (data) => connection.send(String(data).replaceAll('["1","', '["hf:1","hf:')),
      close: (code) => connection.close(code),
    });
    connection.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      if (text.includes('phx_leave')) peer.ended();
      else peer.deliver(text.replaceAll('hf:', ''));
    });
    connection.on('close', () => peer.ended());
    peers.put(peer);
  });
  socket.connect();
  return {
    link: phoenixLink(socket),
    url: '',
    accept: () => peers.take(),
    carriesBytes: false,
    text: frame,
    async end() {
      socket.disconnect();
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('the Phoenix link keeps the law of links', () => {
  for (const { name, run } of linkConformance(subject)) it(name, run);
});

describe('a client on a Phoenix socket', () => {
  it('shares the socket with the application’s own channels, and leaves its topics behind when it closes', async () => {
    await using world = await openWorld();
    const params = { token: world.token, device_id: 'phoenix-app', capver: '4' };
    const socket = new Socket(`${world.url.replace('http', 'ws')}/socket`, { params });
    const messages: string[] = [];
    socket.onMessage(({ topic, event }: { topic: string; event: string }) => {
      messages.push(`${topic} ${event}`);
    });
    socket.connect();
    const client = createClient({
      url: world.url,
      token: world.token,
      deviceId: 'phoenix-app',
      link: phoenixLink(socket),
    });
    const store = client.store('acme/app');
    await store.ready;
    const { seq } = await store.put('posts/hello', 'Hi').committed;
    expect(seq).toBe(1);
    await world.createStore('acme/other');
    const channel = socket.channel('store:acme/other', { last_store_seq: 0, patterns: [] });
    await new Promise((resolve) => channel.join().receive('ok', resolve));
    await client.close();
    await expect.poll(() => messages).toContain('store:acme/app phx_close');
    expect(socket.isConnected()).toBe(true);
    expect(channel.state).toBe('joined');
    socket.disconnect();
  });
});
