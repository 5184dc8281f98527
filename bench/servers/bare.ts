import { type WebSocket, WebSocketServer } from 'ws';
import { serve } from './answers.ts';

/*
 * A bare `ws` server. `/echo` sends each message back; on `/writer` each message is sent, as it is, to everyone on
 * `/reader`.
 */
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
const readers = new Set<WebSocket>();
server.on('connection', (socket, request) => {
  if (request.url === '/reader') {
    readers.add(socket);
    socket.on('close', () => readers.delete(socket));
  } else if (request.url === '/echo') {
    socket.on('message', (data: Buffer) => socket.send(data, { binary: false }));
  } else {
    socket.on('message', (data: Buffer) => {
      for (const reader of readers) reader.send(data, { binary: false });
    });
  }
});
server.on('listening', () => {
  const address = server.address();
  if (typeof address === 'string' || address === null) throw new Error('no port');
  serve(address.port, async () => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
});
