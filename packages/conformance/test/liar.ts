import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Served } from './served.ts';

/** A frame on its way. */
export type Passing = [string | null, string | null, string, string, { [field: string]: unknown }];

/** How a server is broken: what becomes of a frame on its way out, or in. */
export type Lie = {
  /** What the peer gets in place of a frame of the server. */
  readonly out?: (frame: Passing, line: Line) => readonly Passing[];
  /** What the server gets in place of a frame of the peer. */
  readonly in?: (frame: Passing, line: Line) => readonly Passing[];
  /** The query of the upgrade as the server gets it. */
  readonly knock?: (query: URLSearchParams) => void;
  /** Whether closes of the server are kept from the peer. */
  readonly silentClose?: true;
  /** Whether refused upgrades are told without their body. */
  readonly mute?: true;
};

/** One connection, for lies that need a memory. */
export type Line = { readonly seen: Map<string, unknown>; readonly held: Passing[] };

/** Puts a liar before a server: whoever speaks to it hears the server as it would be if it were broken so. */
export async function lying(at: Served, lie: Lie): Promise<Served> {
  const http = createServer();
  const wss = new WebSocketServer({ noServer: true });
  const open = new Set<WebSocket>();
  http.on('upgrade', (request, socket, head) => {
    const server = new WebSocket(target(at, request, lie), { headers: bearerOf(request) });
    open.add(server);
    server.on('error', () => undefined);
    server.on('unexpected-response', (_request, response) => {
      const status = `HTTP/1.1 ${response.statusCode ?? 500} Refused\r\nConnection: close\r\n\r\n`;
      socket.write(status);
      if (lie.mute === true) socket.end('{}');
      else response.pipe(socket);
    });
    const early: { data: Buffer; isBinary: boolean }[] = [];
    const keep = (data: Buffer, isBinary: boolean): number => early.push({ data, isBinary });
    server.on('message', keep);
    server.on('open', () =>
      wss.handleUpgrade(request, socket, head, (peer) => {
        open.add(peer);
        server.off('message', keep);
        join({ server, peer, lie });
        for (const { data, isBinary } of early) server.emit('message', data, isBinary);
      }),
    );
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of open) socket.terminate();
    http.close();
  });
  const { port } = http.address() as AddressInfo;
  return { ...at, url: `http://127.0.0.1:${port}` };
}

type Ends = { readonly server: WebSocket; readonly peer: WebSocket; readonly lie: Lie };

function join({ server, peer, lie }: Ends): void {
  const line: Line = { seen: new Map(), held: [] };
  const pass = (to: WebSocket, change: Lie['in']) => (data: Buffer, isBinary: boolean) => {
    const codec = isBinary ? messagePackCodec() : jsonCodec;
    const frame = codec.decode(isBinary ? data : data.toString()) as Passing;
    if (change === undefined || frame.length !== 5 || frame[4] === null) {
      return to.send(data, { binary: isBinary });
    }
    for (const each of change(frame, line)) to.send(codec.encode(each));
  };
  server.on('message', pass(peer, lie.out));
  peer.on('message', pass(server, lie.in));
  server.on('close', (code) => {
    if (lie.silentClose !== true && code !== 1006) peer.close(code);
  });
  peer.on('close', () => server.terminate());
  peer.on('error', () => undefined);
}

function target(at: Served, request: IncomingMessage, lie: Lie): string {
  const url = new URL(request.url ?? '/', at.url.replace('http', 'ws'));
  lie.knock?.(url.searchParams);
  return url.href;
}

function bearerOf({ headers }: IncomingMessage): { authorization?: string } {
  return headers.authorization === undefined ? {} : { authorization: headers.authorization };
}
