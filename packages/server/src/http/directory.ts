import { open, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Context } from 'hono';
import type { ByteRange } from '../blobs/index.ts';
import { type CodedFiles, type Coding, codingFor, isCodable } from './coded-files.ts';
import type { HttpDeps } from './deps.ts';
import { contentRange, readRanges } from './ranges.ts';
import { streamOf } from './stream-of.ts';

/** A file of a directory. */
export type FoundFile = {
  /** Where it lies. */
  readonly path: string;
  /** What it was asked for by. */
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
};

const types: ReadonlyMap<string, string> = new Map([
  ['avif', 'image/avif'],
  ['css', 'text/css; charset=utf-8'],
  ['gif', 'image/gif'],
  ['html', 'text/html; charset=utf-8'],
  ['ico', 'image/x-icon'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['js', 'text/javascript; charset=utf-8'],
  ['json', 'application/json'],
  ['map', 'application/json'],
  ['mjs', 'text/javascript; charset=utf-8'],
  ['mp3', 'audio/mpeg'],
  ['mp4', 'video/mp4'],
  ['pdf', 'application/pdf'],
  ['png', 'image/png'],
  ['svg', 'image/svg+xml'],
  ['txt', 'text/plain; charset=utf-8'],
  ['wasm', 'application/wasm'],
  ['webm', 'video/webm'],
  ['webmanifest', 'application/manifest+json'],
  ['webp', 'image/webp'],
  ['woff', 'font/woff'],
  ['woff2', 'font/woff2'],
  ['xml', 'application/xml'],
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
const pieceBytes = 64 * 1024;

/**
 * The file at a URL path below a directory; `directory` where that is one; null if there is none, or if the path or a link
 * leads out.
 */
export async function fileWithin(
  directory: string,
  path: string,
): Promise<FoundFile | 'directory' | null> {
  const names = path.slice(1).split('/').map(decodeName);
  if (!names.every(isPlainName)) return null;
  try {
    const root = await realpath(directory);
    const file = await realpath(join(root, ...names));
    return file.startsWith(root + sep) ? await look(file, path) : null;
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.has(String(error.code))) return null;
    throw error;
  }
}

async function look(path: string, name: string): Promise<FoundFile | 'directory' | null> {
  const status = await stat(path);
  if (status.isDirectory()) return 'directory';
  return status.isFile() ? { path, name, size: status.size, modifiedMs: status.mtimeMs } : null;
}

/** What answering with files takes: the clock by which readers are waited for, and the files that travel compressed. */
export type FileDesk = Pick<HttpDeps, 'clock'> & { readonly coded: CodedFiles };

/**
 * Answers with a file: what is known by its tag is not sent again, text travels compressed, and of a large one any part
 * can be asked for, of its bytes as they are (RFC 9110 §8.4, §13, §14).
 */
export async function answerFile(c: Context, desk: FileDesk, file: FoundFile): Promise<Response> {
  const { name, size, modifiedMs } = file;
  const mayBeCoded = isCodable(typeOf(name), size);
  const isWhole = c.req.header('range') === undefined;
  const coding = mayBeCoded && isWhole ? codingFor(c.req.header('accept-encoding')) : null;
  const headers = new Headers({
    'Accept-Ranges': 'bytes',
    'Cache-Control': hashedName.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
    ETag: tagOf(file, coding),
    'Last-Modified': new Date(modifiedMs).toUTCString(),
    ...(mayBeCoded && { Vary: 'Accept-Encoding' }),
  });
  if (isFresh(c, file, coding)) return new Response(null, { status: 304, headers });
  if (coding !== null) return answerCoded(c, desk, { file, coding, headers });
  return answerPart(c, { clock: desk.clock, file, headers });
}

type Answering = { readonly file: FoundFile; readonly headers: Headers };

async function answerCoded(
  c: Context,
  { coded }: FileDesk,
  { file, coding, headers }: Answering & { readonly coding: Coding },
): Promise<Response> {
  const read = (): Promise<Uint8Array> => wholeOf(file);
  const bytes = await coded.get(`${file.path} ${tagOf(file)}`, coding, read);
  headers.set('Content-Type', typeOf(file.name));
  headers.set('Content-Encoding', coding);
  headers.set('Content-Length', String(bytes.byteLength));
  return new Response(c.req.method === 'HEAD' ? null : bytes, { status: 200, headers });
}

/** The part that is asked for; of several the whole. */
function answerPart(
  c: Context,
  { clock, file, headers }: Pick<HttpDeps, 'clock'> & Answering,
): Response {
  const { name, size } = file;
  const tag = tagOf(file);
  const isWhole = (c.req.header('if-range') ?? tag) !== tag;
  const ranges = isWhole ? null : readRanges(c.req.header('range'), size);
  if (ranges?.length === 0) {
    headers.set('Content-Range', `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  const part = ranges?.length === 1 ? ranges[0] : undefined;
  const range = part ?? { start: 0, end: size };
  headers.set('Content-Type', typeOf(name));
  headers.set('Content-Length', String(range.end - range.start));
  if (part !== undefined) headers.set('Content-Range', contentRange(part, size));
  const body = c.req.method === 'HEAD' ? null : streamOf(bytesOf(file, range), { clock });
  return new Response(body, { status: part === undefined ? 200 : 206, headers });
}

/** Each form in which a file travels has a tag of its own. */
function tagOf(
  { size, modifiedMs }: Pick<FoundFile, 'size' | 'modifiedMs'>,
  coding: Coding | null = null,
): string {
  const form = coding === null ? '' : `-${coding}`;
  return `"${Math.floor(modifiedMs).toString(36)}-${size.toString(36)}${form}"`;
}

/** Whether who asks has it: by its tag, else by its date. */
function isFresh(c: Context, file: FoundFile, coding: Coding | null): boolean {
  const known = c.req.header('if-none-match');
  if (known !== undefined) {
    const tags = new Set(known.split(',').map((each) => each.trim().replace(/^W\//, '')));
    return tags.has(tagOf(file, coding)) || tags.has('*');
  }
  const sinceMs = Date.parse(c.req.header('if-modified-since') ?? '');
  // Dates of HTTP have no fractions.
  return Math.floor(file.modifiedMs / 1000) * 1000 <= sinceMs;
}

async function wholeOf(file: FoundFile): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytesOf(file, { start: 0, end: file.size })) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* bytesOf(file: FoundFile, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const handle = await open(file.path);
  try {
    const { size, mtimeMs: modifiedMs } = await handle.stat();
    if (tagOf({ size, modifiedMs }) !== tagOf(file)) throw new Error('It has just become another.');
    for (let at = start; at < end;) {
      const piece = new Uint8Array(Math.min(pieceBytes, end - at));
      const { bytesRead } = await handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error('It has become shorter while it was sent.');
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Scripts, styles and connections of this server only; `'self'` alone is not the WebSocket to every browser. */
export function ownContent(c: Context): string {
  const { host } = new URL(c.req.url);
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

/** Neither empty nor `..`, hidden only where that is what the web expects, and one name on every platform. */
function isPlainName(name: string, index: number): boolean {
  if (name === '.well-known') return index === 0;
  // oxlint-disable-next-line no-control-regex -- they are what is kept out
  return /^[^./\\:\u0000-\u001f\u007f][^/\\:\u0000-\u001f\u007f]*$/.test(name);
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}
