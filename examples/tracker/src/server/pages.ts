import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { GivenPrincipal, InProcess, Server } from '@holdfast/server';
import type { Version } from '../issue/issue.ts';
import { nameIn } from './name.ts';

/** What the build for the server of the page gives. */
type Renderer = {
  readonly render: (request: {
    readonly at: InProcess;
    readonly version: number;
    readonly url: string;
    readonly nonce: string;
    readonly into: ServerResponse;
  }) => Promise<{ readonly seed: string }>;
};

type Site = {
  readonly server: Server;
  readonly version: Version;
  readonly principalOf: (name: string) => GivenPrincipal;
};

type Asset = { readonly type: string; readonly body: Uint8Array; readonly zipped: Uint8Array };

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const types: { readonly [ending: string]: string } = {
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.map': 'application/json',
};
const nameless = ['Ada', 'Bela', 'Chika', 'Dara', 'Emre', 'Fay', 'Goro', 'Hedda'];

/** Serves the pages, each rendered from the stores for who asks, and hands WebSockets on to the server of the stores. */
export async function openPages(
  site: Site,
  port: number,
): Promise<{ readonly url: string; close(): void }> {
  const [head = '', tail = ''] = readFileSync(join(dist, 'index.html'), 'utf8').split(
    '<!--page-->',
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- built from ../page/entry-server.tsx
  const { render } = (await import(join(dist, 'server/entry-server.js'))) as Renderer;

  const draw = async (request: IncomingMessage, into: ServerResponse): Promise<void> => {
    const [, known = ''] = /(?:^|; )tracker-name=([^;]+)/.exec(request.headers.cookie ?? '') ?? [];
    const name = nameIn(known) || (nameless[Math.floor(Math.random() * 8)] ?? '');
    const nonce = randomBytes(16).toString('base64');
    into.setHeader('content-type', 'text/html; charset=utf-8');
    into.setHeader('content-security-policy', ownContent(request.headers.host ?? '', nonce));
    into.setHeader('x-content-type-options', 'nosniff');
    into.setHeader('cache-control', 'no-store');
    into.setHeader('set-cookie', `tracker-name=${encodeURIComponent(name)}; Path=/; SameSite=Lax`);
    into.write(head);
    const at = site.server.inProcess(site.principalOf(name));
    const { number: version } = site.version;
    const { seed } = await render({ at, version, url: request.url ?? '/', nonce, into });
    const script = `<script type="application/json" id="seed" data-version="${version}" data-me="${escaped(name)}">${seed}</script>`;
    into.end(tail.replace('<!--seed-->', () => script));
  };

  const assets = readAssets();
  const http = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    if (path === '/') {
      draw(request, response).catch((error: unknown) => {
        if (response.destroyed) return; // nobody waits for it any more
        process.stderr.write(`${String(error)}\n`);
        response.destroy();
      });
      return;
    }
    const asset = assets.get(path);
    // All else is the API, which a page asks whether it is let in when it could not connect.
    if (asset === undefined) site.server.request(request, response);
    else give(asset, request, response);
  });
  http.on('upgrade', site.server.upgrade);
  await once(http.listen(port, '127.0.0.1'), 'listening');
  const address = http.address();
  const taken = typeof address === 'object' ? address?.port : port;
  return { url: `http://127.0.0.1:${taken}/`, close: () => void http.close() };
}

/** The files that pages name, by their addresses: there is no other way to a file, so that no address leads elsewhere. */
function readAssets(): ReadonlyMap<string, Asset> {
  const names = readdirSync(join(dist, 'assets'));
  return new Map(
    names.map((name) => {
      const body = readFileSync(join(dist, 'assets', name));
      const type = types[extname(name)] ?? 'text/plain';
      return [`/assets/${name}`, { type, body, zipped: gzipSync(body) }];
    }),
  );
}

/** Their names change with what is in them: whoever has one need not ask again. */
function give(
  { type, body, zipped }: Asset,
  { headers }: IncomingMessage,
  to: ServerResponse,
): void {
  const takesZipped = /\bgzip\b/.test(String(headers['accept-encoding']));
  to.setHeader('content-type', type);
  to.setHeader('x-content-type-options', 'nosniff');
  to.setHeader('cache-control', 'public, max-age=31536000, immutable');
  to.setHeader('vary', 'Accept-Encoding');
  if (takesZipped) to.setHeader('content-encoding', 'gzip');
  to.end(takesZipped ? zipped : body);
}

/** What is of this server only, and the scripts that rendering adds to a page, by its nonce; and no other page has it in a frame. */
function ownContent(host: string, nonce: string): string {
  // `'self'` alone is not the WebSocket to every browser.
  const sockets = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : '';
  return [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}'`,
    `connect-src 'self'${sockets}`,
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
