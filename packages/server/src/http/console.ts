import { readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

import type { Hono } from 'hono';

import { notFound } from './errors.ts';

const types: ReadonlyMap<string, string> = new Map([
  ['css', 'text/css; charset=utf-8'],
  ['html', 'text/html; charset=utf-8'],
  ['ico', 'image/x-icon'],
  ['jpg', 'image/jpeg'],
  ['js', 'text/javascript; charset=utf-8'],
  ['json', 'application/json'],
  ['map', 'application/json'],
  ['mjs', 'text/javascript; charset=utf-8'],
  ['png', 'image/png'],
  ['svg', 'image/svg+xml'],
  ['txt', 'text/plain; charset=utf-8'],
  ['wasm', 'application/wasm'],
  ['webmanifest', 'application/manifest+json'],
  ['webp', 'image/webp'],
  ['woff', 'font/woff'],
  ['woff2', 'font/woff2'],
]);

/** A name that carries the hash of its content: it never changes, so it may be kept for ever. */
const hashedName = /^\/assets\/.*-[\w-]{8,}\.\w+$/;
const absent: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'ENAMETOOLONG',
  'ELOOP',
]);

const withoutConsole = `Holdfast is running.

The web console is not installed with this server. Build it with "npm run build" and start the server again.
Whether the server is ready:  /readyz
Whom a token stands for:      /api/whoami
`;

/** The web console: files of one directory, and nothing outside of it (stores.md §19.4). */
export function routeConsole(app: Hono, directory: string | undefined): void {
  app.get('*', async (c) => {
    const path = c.req.path;
    const page = path === '/';
    const bytes =
      directory === undefined ? null : await readWithin(directory, page ? '/index.html' : path);
    if (bytes === null && page) return c.text(withoutConsole);
    if (bytes === null) throw notFound();
    return c.body(bytes, 200, {
      'Content-Type': page ? 'text/html; charset=utf-8' : typeOf(path),
      'Cache-Control': hashedName.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
      'Content-Security-Policy': policy(new URL(c.req.url).host),
      'Cross-Origin-Opener-Policy': 'same-origin',
    });
  });
}

/** Scripts, styles and connections of this server only; `'self'` alone is not the WebSocket to every browser. */
function policy(host: string): string {
  const sockets = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : '';
  return [
    "default-src 'self'",
    `connect-src 'self'${sockets}`,
    "img-src 'self' data: blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function typeOf(path: string): string {
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  return types.get(extension) ?? 'application/octet-stream';
}

/** The file at a URL path below the directory; null if there is none, or if the path or a link leads out. */
async function readWithin(
  directory: string,
  path: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const names = path.slice(1).split('/').map(decodeName);
  if (!names.every(isPlainName)) return null;
  try {
    const root = await realpath(directory);
    const file = await realpath(join(root, ...names));
    return file.startsWith(root + sep) ? await readFile(file) : null;
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.has(String(error.code))) return null;
    throw error;
  }
}

/** Neither empty nor hidden nor `..`, and one name on every platform. */
function isPlainName(name: string): boolean {
  return /^[\w@+-][\w@+. -]*$/.test(name);
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}
