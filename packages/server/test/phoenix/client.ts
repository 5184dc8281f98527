import { type Codec, jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { type Channel, type Message, type Push, Socket } from 'phoenix';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/** How a Phoenix socket is opened. */
export type Opening = {
  readonly device?: string;
  readonly token?: string;
  readonly capver?: string;
  readonly vsn?: string;
  readonly transport?: unknown;
};

/** What came by a socket: the messages, for tests to look into. */
export type Response = { readonly [field: string]: unknown };

const again = (): number => 5;
const messagePack = messagePackCodec();

/** The transports of the official client: that of the package `ws`, and the platform's own. */
export const transports: readonly (readonly [string, Opening])[] = [
  ['ws in JSON', { transport: WebSocket, vsn: '2.0.0' }],
  ['ws in MessagePack', { transport: WebSocket, vsn: '3.0.0' }],
  ['the platform’s WebSocket in JSON', { transport: globalThis.WebSocket, vsn: '2.0.0' }],
  ['the platform’s WebSocket in MessagePack', { transport: globalThis.WebSocket, vsn: '3.0.0' }],
];

/** A socket of the official client, connected; it is disconnected when the test ends. */
export function openSocket(url: string, opening: Opening = {}): Socket {
  const { device = 'phoenix', token = 'dev', capver = '3', vsn = '2.0.0' } = opening;
  const codec: Codec = vsn === '3.0.0' ? messagePack : jsonCodec;
  const socket = new Socket(`${url.replace('http', 'ws')}/socket`, {
    params: { token, device_id: device, capver },
    vsn,
    transport: opening.transport ?? WebSocket,
    reconnectAfterMs: again,
    rejoinAfterMs: again,
    // The package's own serializer knows no MessagePack; in JSON it is used as it is.
    ...(codec.binary && { encode: encodeWith(codec), decode: decodeWith(codec) }),
  });
  onTestFinished(() => socket.disconnect());
  socket.connect();
  return socket;
}

function encodeWith(codec: Codec) {
  return (message: Message, callback: (data: unknown) => void): void => {
    const { join_ref: joinRef, ref, topic, event, payload } = message;
    callback(codec.encode([joinRef, ref, topic, event, payload]));
  };
}

function decodeWith(codec: Codec) {
  return (data: unknown, callback: (message: Message) => void): void => {
    if (!(data instanceof ArrayBuffer)) throw new TypeError('a binary frame was expected');
    const [joinRef, ref, topic, event, payload] = codec.decode(new Uint8Array(data)) as [
      string | null,
      string | null,
      string,
      string,
      unknown,
    ];
    callback({ join_ref: joinRef, ref, topic, event, payload });
  };
}

/** The answer to a push or a join, whichever it is. */
export function answerTo(push: Push): Promise<readonly [string, Response]> {
  return new Promise((resolve) => {
    for (const status of ['ok', 'error', 'timeout']) {
      push.receive(status, (response) => resolve([status, response as Response]));
    }
  });
}

/** The payloads of an event of a channel, as they come. */
export function heardOn(channel: Channel, event: string): Response[] {
  const heard: Response[] = [];
  channel.on(event, (payload) => heard.push(payload as Response));
  return heard;
}

/** Closes the connection below a socket, which then connects again by itself. */
export function dropSocket(socket: object): void {
  const connection = 'conn' in socket ? (socket.conn as { close(): void }) : null;
  connection?.close();
}
