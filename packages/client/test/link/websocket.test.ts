import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { webSocketLink, type WebSocketClass } from '@holdfast/client';
import { linkConformance, type LinkSubject } from '@holdfast/client/link/conformance';
import { Queue, QueuePeer } from './peers.ts';

async function subjectWith(webSocket?: WebSocketClass): Promise<LinkSubject> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const peers = new Queue<QueuePeer>();
  server.on('connection', (socket) => {
    const peer = new QueuePeer({
      send: (data) => socket.send(data),
      close: (code) => socket.close(code),
    });
    socket.on('message', (data, isBinary) => {
      const bytes = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
      peer.deliver(isBinary ? new Uint8Array(bytes) : bytes.toString('utf8'));
    });
    socket.on('close', () => peer.ended());
    peers.put(peer);
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const closed = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const client of server.clients) client.terminate();
    });
  return {
    link: webSocketLink(webSocket === undefined ? {} : { webSocket }),
    url: `ws://127.0.0.1:${port}/`,
    accept: () => peers.take(),
    refuseAll: closed,
    carriesBytes: true,
    text: (n) => `text ${n} é`,
    end: closed,
  };
}

describe('the WebSocket link on the platform’s class keeps the law of links', () => {
  for (const { name, run } of linkConformance(() => subjectWith())) it(name, run);
});

describe('the WebSocket link on the class of `ws` keeps the law of links', () => {
  for (const { name, run } of linkConformance(() => subjectWith(WebSocket))) it(name, run);
});

describe('the WebSocket link', () => {
  it('says what to do where the platform has no WebSocket', () => {
    const found = globalThis.WebSocket;
    Reflect.deleteProperty(globalThis, 'WebSocket');
    try {
      expect(() => webSocketLink()).toThrow(/pass one as `webSocket`/);
    } finally {
      globalThis.WebSocket = found;
    }
  });
});
