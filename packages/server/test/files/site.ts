import { createHash } from 'node:crypto';
import type { Principal, Server, ServerOptions } from '@holdfast/server';
import type { Knock, Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';

/** A request for files of the store `demo/main`. */
export type Call = {
  readonly token?: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string | ReadableStream;
};

/** A running server, and how to ask it for files. */
export type Site = {
  readonly server: Server;
  readonly url: string;
  readonly storeId: string;
  joined(knock?: Knock): Promise<Peer>;
  /** Asks for `/api/stores/demo/main/files/` and the path, or for an address that begins with `/`. */
  call(path: string, call?: Call): Promise<Response>;
};

/** Starts a server with the store `demo/main`; tokens besides `dev` are told by how they differ from it. */
export async function site(
  options: Partial<ServerOptions> = {},
  tokens: { readonly [token: string]: Partial<Principal> } = {},
): Promise<Site> {
  const { server, url, storeId, joined } = await world({
    authenticate: principals(tokens),
    ...options,
  });
  return {
    server,
    url,
    storeId,
    joined,
    call: (path, { token = 'dev', method = 'GET', headers = {}, body } = {}) => {
      const address = path.startsWith('/') ? path : `/api/stores/demo/main/files/${path}`;
      const init = { method, headers: { authorization: `Bearer ${token}`, ...headers } };
      // A body that is a stream is sent while the answer may come already.
      const sent = body === undefined ? init : { ...init, body, duplex: 'half' };
      return fetch(`${url}${address}`, sent);
    },
  };
}

/** The name of content. */
export function hashOf(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The body of an answer that must be JSON, with its status. */
export async function told(
  answer: Response,
): Promise<readonly [number, { readonly [field: string]: unknown }]> {
  return [answer.status, (await answer.json()) as { readonly [field: string]: unknown }];
}

/** The headers of a piece of an upload. */
export function pieceHeaders(hash: string, range: string): { readonly [name: string]: string } {
  return { 'holdfast-content-hash': hash, 'content-range': `bytes ${range}` };
}
