import { randomBytes } from 'node:crypto';
import { isObject, type Json } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { ByteRange } from '../blobs/index.ts';
import type { Files } from '../files/index.ts';
import type { Principal } from '../access/index.ts';
import type { HttpDeps } from './deps.ts';
import { contentTypeOf, dispositionOf, isMedia } from './disposition.ts';
import { notFound } from './errors.ts';
import { whyShutOut } from './identify.ts';
import { whileAllowed } from './lively.ts';
import { contentRange, readRanges } from './ranges.ts';
import { streamOf } from './stream-of.ts';

/** A file as its entry tells of it. */
export type FileEntry = {
  readonly hash: string;
  readonly size: number;
  readonly contentType: string;
  readonly filename: string | null;
};

/** What the value of an entry says about a file; null if it is none. */
export function fileEntry(value: Json): FileEntry | null {
  if (!isObject(value) || value['_type'] !== 'file') return null;
  const { hash, size, content_type: contentType, filename } = value;
  if (typeof hash !== 'string' || typeof size !== 'number') return null;
  return {
    hash,
    size,
    contentType: contentTypeOf(typeof contentType === 'string' ? contentType : ''),
    filename: typeof filename === 'string' ? filename : null,
  };
}

/** The strong ETag of content. */
export function fileTag(hash: string): string {
  return `"${hash}"`;
}

/** Answers with a file, or the parts of it that are asked for (stores.md §15.5.3), as long as its reader may read. */
export async function answerFile(
  c: Context,
  deps: Pick<HttpDeps, 'files' | 'clock' | 'origins' | 'access'>,
  { file, principal }: { readonly file: FileEntry; readonly principal: Principal },
): Promise<Response> {
  const { files, clock, origins } = deps;
  const headers = headersOf(file);
  // Pages of other origins that may connect show pictures as they are; no script can read those (stores.md §7.1.4).
  const isShownElsewhere = origins.length > 0 && isMedia(file.contentType);
  if (isShownElsewhere) headers.set('Cross-Origin-Resource-Policy', 'cross-origin');
  if (isKnown(c, file.hash)) return new Response(null, { status: 304, headers });
  const ranges = isCurrent(c, file.hash) ? readRanges(c.req.header('range'), file.size) : null;
  if (ranges?.length === 0) {
    headers.delete('Content-Disposition');
    headers.set('Content-Range', `bytes */${file.size}`);
    return Response.json(
      { error: 'range_not_satisfiable' },
      { status: 416, headers: jsonOf(headers) },
    );
  }
  const parts = partsOf(file, ranges);
  for (const [name, text] of parts.headers) headers.set(name, text);
  headers.set('Content-Length', String(parts.length));
  const status = ranges === null ? 200 : 206;
  if (c.req.method === 'HEAD') return new Response(null, { status, headers });
  // Before anything is answered: entries may name what is not here, where they are older than the files.
  if ((await files.open(file, { start: 0, end: 0 })) === null) throw notFound();
  const bytes = whileAllowed(parts.bytes(files), () => whyShutOut(deps, c, principal));
  return new Response(streamOf(bytes, { clock }), { status, headers });
}

type Parts = {
  readonly headers: readonly (readonly [string, string])[];
  readonly length: number;
  bytes(files: Files): AsyncIterable<Uint8Array>;
};

function partsOf(file: FileEntry, ranges: readonly ByteRange[] | null): Parts {
  const [only, another] = ranges ?? [{ start: 0, end: file.size }];
  if (only === undefined || (ranges !== null && another !== undefined)) {
    return manyParts(file, ranges ?? []);
  }
  return {
    headers: ranges === null ? [] : [['Content-Range', contentRange(only, file.size)]],
    length: only.end - only.start,
    bytes: (files) => bytesOf(files, file, only),
  };
}

/** `multipart/byteranges` (RFC 9110 §14.6). */
function manyParts(file: FileEntry, ranges: readonly ByteRange[]): Parts {
  const boundary = randomBytes(16).toString('hex');
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${file.contentType}\r\nContent-Range: ${contentRange(range, file.size)}\r\n\r\n`,
    ),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const sizes = ranges.map(({ start, end }, index) => end - start + (heads[index]?.length ?? 0));
  return {
    headers: [['Content-Type', `multipart/byteranges; boundary=${boundary}`]],
    length: sizes.reduce((sum, size) => sum + size, tail.length),
    async *bytes(files) {
      for (const [index, range] of ranges.entries()) {
        yield heads[index] ?? tail;
        yield* bytesOf(files, file, range);
      }
      yield tail;
    },
  };
}

async function* bytesOf(
  files: Files,
  file: FileEntry,
  range: ByteRange,
): AsyncIterable<Uint8Array> {
  const bytes = await files.open(file, range);
  if (bytes === null) throw new Error(`The bytes of ${file.hash} are gone.`);
  yield* bytes;
}

function headersOf({ hash, contentType, filename }: FileEntry): Headers {
  return new Headers({
    'Content-Type': contentType,
    'Content-Disposition': dispositionOf(contentType, filename),
    // Whatever it is, it acts for nobody (stores.md §14.5).
    'Content-Security-Policy': 'sandbox',
    'Accept-Ranges': 'bytes',
    ETag: fileTag(hash),
  });
}

function jsonOf(headers: Headers): Headers {
  headers.delete('Content-Type');
  return headers;
}

function isKnown(c: Context, hash: string): boolean {
  const header = c.req.header('if-none-match')?.trim();
  if (header === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return header === '*' || tags.includes(fileTag(hash));
}

/** `If-Range` names the content that the ranges are of; a date names none. */
function isCurrent(c: Context, hash: string): boolean {
  const header = c.req.header('if-range');
  return header === undefined || header.trim() === fileTag(hash);
}
