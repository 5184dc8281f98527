import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Codec } from '@holdfast/protocol';
import { type Credentials, isDeviceId } from '../access/index.ts';

const MOUNTS = ['/ws/sync/websocket', '/socket/websocket'] as const;

/** What an upgrade request settles for the life of its socket (stores.md §7.1). */
export type Handshake = {
  readonly codec: Codec;
  /** null: no `capver` was given; such a socket joins no stores. */
  readonly dialect: 3 | 4 | null;
  readonly deviceId: string | null;
  readonly credentials: Credentials;
};

/** Why an upgrade is refused: HTTP 403 with this body. */
export type HandshakeRefusal = {
  readonly error:
    | 'unauthorized'
    | 'capver_unsupported'
    | 'vsn_unsupported'
    | 'invalid_params'
    | 'too_many_connections';
  readonly detail: string;
};

/** Whether this server answers WebSocket upgrades at the path. */
export function isMount(request: IncomingMessage): boolean {
  const { pathname } = urlOf(request);
  return MOUNTS.some((mount) => mount === pathname);
}

/** Reads the query of an upgrade; total. */
export function readHandshake(
  request: IncomingMessage,
  codecs: { readonly [vsn: string]: Codec },
): Handshake | HandshakeRefusal {
  const { pathname, searchParams: params } = urlOf(request);
  const vsn = params.get('vsn') ?? '';
  const codec = Object.hasOwn(codecs, vsn) ? codecs[vsn] : undefined;
  if (codec === undefined) {
    return { error: 'vsn_unsupported', detail: 'vsn must be 2.0.0 or 3.0.0.' };
  }
  const speaker = readSpeaker(params, pathname === '/socket/websocket');
  if ('error' in speaker) return speaker;
  const token = params.get('token') ?? bearer(request.headers.authorization);
  return { codec, ...speaker, credentials: { token, params, headers: headersOf(request) } };
}

/** Who speaks, and which dialect; at the lenient mount either may be left out. */
function readSpeaker(
  params: URLSearchParams,
  lenient: boolean,
): Pick<Handshake, 'dialect' | 'deviceId'> | HandshakeRefusal {
  const capver = params.get('capver');
  const dialect = readDialect(capver);
  if (dialect === null && !(lenient && capver === null)) {
    return { error: 'capver_unsupported', detail: 'capver must be an integer, 3 or greater.' };
  }
  const deviceId = params.get('device_id');
  if (isDeviceId(deviceId) || (lenient && deviceId === null)) return { dialect, deviceId };
  return {
    error: 'invalid_params',
    detail: 'device_id must be 1 to 128 bytes, no reserved prefix.',
  };
}

function headersOf(request: IncomingMessage): Credentials['headers'] {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

/** Answers a refused upgrade and closes the connection. */
export function refuseUpgrade(socket: Duplex, refusal: HandshakeRefusal): void {
  const body = JSON.stringify(refusal);
  socket.end(
    `HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function readDialect(capver: string | null): 3 | 4 | null {
  if (capver === null || !/^[0-9]{1,9}$/.test(capver)) return null;
  const version = Number(capver);
  if (version < 3) return null;
  return version === 3 ? 3 : 4;
}

function bearer(header: string | undefined): string | null {
  const match = /^Bearer (\S+)$/i.exec(header ?? '');
  return match?.[1] ?? null;
}

/** What cannot be read, such as `//`, is the root: an error would carry the URL, and with it the token, into a log. */
function urlOf({ url = '/' }: IncomingMessage): URL {
  const base = 'http://localhost';
  return new URL(URL.canParse(url, base) ? url : '/', base);
}
