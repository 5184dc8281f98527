import type { Socket } from 'node:net';
import type { SeedClaim, SeedContent } from '@holdfast/protocol';
import { WebSocket } from 'ws';
import { type Access, type GivenPrincipal, principalOf } from '../access/index.ts';
import { fetchBy } from './in-process-fetch.ts';
import { loopback } from './loopback.ts';
import type { Seeds } from './seeds.ts';
import { bytesOf } from './wire.ts';

/** A link of `@holdfast/client` to the server of this process. */
export type InProcessLink = {
  open(
    url: string,
    events: {
      opened(): void;
      received(data: string | Uint8Array): void;
      closed(code: number): void;
    },
  ): { send(data: string | Uint8Array): void; close(code?: number): void };
  /** What goes by HTTP: files, the past. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Vouches for what a page is rendered from. */
  seal(claim: SeedClaim, content: SeedContent): string;
  /** The same of a record that is in no store. */
  vouch(key: string, digest: string): string;
};

/** What a client in the process of its server is made with: `createClient({ ...server.inProcess(principal) })`. */
export type InProcess = {
  readonly url: string;
  readonly token: string;
  /** Whose stores they are. */
  readonly principal: string;
  readonly link: InProcessLink;
};

/** What clients within the process come by. */
export type InProcessRoom = {
  readonly access: Pick<Access, 'vouchFor'>;
  readonly seeds: Seeds;
  /** Takes a connection as if it came from the network. */
  serve(connection: Socket): void;
};

/**
 * The way of a client in the same process: through everything that one from outside goes through, with the rights of a
 * principal that the caller has authenticated.
 */
export function inProcess(room: InProcessRoom, given: GivenPrincipal): InProcess {
  const principal = principalOf(given, 'This is no principal:');
  const link: InProcessLink = {
    open: (url, events) => {
      const visit = room.access.vouchFor(principal);
      const at = new URL(url);
      at.searchParams.set('token', visit.token);
      const [near, far] = loopback();
      room.serve(far);
      let isOver = false;
      const end = (code: number): void => {
        if (isOver) return;
        isOver = true;
        visit.end();
        queueMicrotask(() => events.closed(code));
      };
      const socket = new WebSocket(`ws://in-process${at.pathname}${at.search}`, {
        createConnection: () => near,
        perMessageDeflate: false,
      });
      socket.on('open', () => isOver || events.opened());
      socket.on('message', (data, isBinary) => {
        if (isOver) return;
        const bytes = bytesOf(data);
        events.received(isBinary ? bytes : bytes.toString());
      });
      // A failed socket closes too.
      socket.on('error', () => undefined);
      socket.on('close', end);
      return {
        send: (data) => {
          if (!isOver && socket.readyState === WebSocket.OPEN) socket.send(data);
        },
        close: (code = 1000) => {
          socket.terminate();
          end(code);
        },
      };
    },
    fetch: fetchBy({
      admit: () => room.access.vouchFor(principal),
      serve: (connection) => room.serve(connection),
    }),
    seal: (claim, content) =>
      room.seeds.seal(principalOf(principal, 'This is no principal:'), claim, content),
    vouch: (key, digest) => room.seeds.vouch(principal.subject, key, digest),
  };
  const { subject } = principal;
  return { url: 'ws://in-process', token: 'in-process', principal: subject ?? '', link };
}
