import {
  asGlob,
  asPath,
  decodeRequest,
  type EpochMs,
  encodeRequest,
  type Glob,
  isLeafType,
  isObject,
  isRefusal,
  isWirePath,
  type Json,
  type Leaf,
  type OpId,
  type Path,
  readRefusal,
  type Refusal,
  refuse,
  type Request,
  type Seq,
} from '@holdfast/protocol';
import type { KeptQuery, PendingRequest } from '@holdfast/engine/replica';
import { unlimited } from './unlimited.ts';
import type { DeadLetter } from './port.ts';
import { cacheFault, type Row } from './rows.ts';

/** The format of all texts here. Entries of another are forgotten, requests of an older one are still read. */
const format = 1;

/** Under what a store's rows stand. */
export type Head = {
  readonly seq: Seq;
  readonly incarnation: string | null;
  readonly scope: string | null;
  readonly patterns: readonly Glob[];
  readonly queries?: readonly KeptQuery[] | undefined;
};

/** A stored request, and under what circumstances it was stored. */
export type StoredRequest = {
  readonly pending: PendingRequest;
  readonly device: string;
  readonly schema: string | number | null;
};

/** A stored letter, and of which version of the application's data it is; undefined where that was not noted. */
export type StoredLetter = {
  readonly letter: DeadLetter;
  readonly schema: string | number | null | undefined;
};

/** A row that makes no sense. */
export class Unreadable extends Error {}

/** Of a later version of this library: not to be touched. */
export class Newer extends Error {}

export function headText(head: Head): string {
  return JSON.stringify({ format, ...head });
}

export function readHead(text: string): Head {
  const { format: of, seq, incarnation, scope, patterns, queries = [] } = object(text);
  if (of !== format || !isSeq(seq) || !isName(incarnation) || !isName(scope)) {
    throw new Unreadable();
  }
  if (!Array.isArray(patterns) || !Array.isArray(queries)) throw new Unreadable();
  const globs = patterns.map((each) => asGlob(string(each)));
  const kept = queries.map(keptQuery);
  return { seq, incarnation, scope, patterns: globs, ...(kept.length > 0 && { queries: kept }) };
}

export function leafText({ value, type, revision }: Leaf): string {
  return JSON.stringify([value, type, revision]);
}

export function readEntry([id, text]: Row): Leaf & { readonly path: Path } {
  const row = parse(text);
  if (!Array.isArray(row) || row.length !== 3) throw new Unreadable();
  const [value, type, revision]: Json[] = row;
  if (value === undefined || !isLeafType(type) || !isSeq(revision)) throw new Unreadable();
  return { path: readPlace(id), value, type, revision };
}

export function readMap([id, text]: Row): readonly [Path, Seq] {
  const revision = parse(text);
  if (!isSeq(revision)) throw new Unreadable();
  return [readPlace(id), revision];
}

export function requestText({ pending, device, schema }: StoredRequest): string {
  const { request, order, attempts, createdAt, firstSentAt, blind, holder } = pending;
  const { event, payload } = encodeRequest(request);
  const how = { order, attempts, createdAt, firstSentAt, blind, holder, device, schema };
  return JSON.stringify({ format, event, payload, ...how });
}

export function readRequest([id, text]: Row): StoredRequest {
  const row = object(text);
  const { order, attempts, createdAt, firstSentAt, blind, holder, device, schema } = row;
  if (!isCount(order) || !isCount(attempts) || !isTime(createdAt)) throw new Unreadable();
  if (firstSentAt !== null && !isTime(firstSentAt)) throw new Unreadable();
  if (!isSchema(schema) || typeof blind !== 'boolean') throw new Unreadable();
  const request = readIntent(row);
  const status = { state: 'queued' } as const;
  const pending = { opId: opIdOf(id), request, status, attempts, createdAt, firstSentAt };
  const by = typeof holder === 'string' ? { holder } : {};
  return { pending: { ...pending, order, blind, ...by }, device: string(device), schema };
}

export function letterText({ letter, schema }: StoredLetter): string {
  const { request, refusal, createdAt, refusedAt, text = null } = letter;
  const { code, details } = refusal;
  const asked = request === null ? { text } : { ...encodeRequest(request), schema };
  return JSON.stringify({ format, ...asked, code, details, createdAt, refusedAt });
}

export function readLetter([id, text]: Row): StoredLetter {
  const row = object(text);
  const { code, details, createdAt, refusedAt, schema } = row;
  if (!isTime(createdAt) || !isTime(refusedAt) || !isObject(details)) throw new Unreadable();
  const refusal = readRefusal({ ...details, reason: string(code) });
  const about = { opId: opIdOf(id), refusal, createdAt, refusedAt };
  const letter: DeadLetter =
    'text' in row
      ? { ...about, request: null, text: string(row['text']) }
      : { ...about, request: readIntent(row) };
  return { letter, schema: isSchema(schema) ? schema : undefined };
}

/** What remains of a request that cannot be read. */
export function quarantined([id, text]: Row, at: EpochMs): DeadLetter {
  const refusal: Refusal = refuse('outbox_failed', { why: 'corrupt' });
  // Whatever it is called: under another name the row would be found again, and one without a name nobody can remove.
  if (id === '') throw cacheFault('corrupt');
  return { opId: id, request: null, text, refusal, createdAt: at, refusedAt: at };
}

function readIntent(row: { readonly [field: string]: unknown }): Request {
  const request = decodeRequest(row, unlimited);
  if (isRefusal(request)) throw new Unreadable(request.code);
  return request;
}

function readPlace(id: string): Path {
  if (!isWirePath(id)) throw new Unreadable();
  return id;
}

function object(text: string): { readonly [field: string]: unknown } {
  const row = parse(text);
  if (!isObject(row)) throw new Unreadable();
  const { format: of } = row;
  if (isCount(of) && of > format) throw new Newer();
  return row;
}

function parse(text: unknown): Json {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JSON.parse gives is JSON
    return JSON.parse(string(text)) as Json;
  } catch {
    throw new Unreadable();
  }
}

function keptQuery(value: unknown): KeptQuery {
  if (!isObject(value)) throw new Unreadable();
  const { key, rows, hasMore, endCursor } = value;
  if (!Array.isArray(rows) || typeof hasMore !== 'boolean' || !isName(endCursor)) {
    throw new Unreadable();
  }
  return { key: string(key), rows: rows.map((row) => asPath(string(row))), hasMore, endCursor };
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new Unreadable();
  return value;
}

function opIdOf(id: string): OpId {
  if (id.length < 1 || id.length > 128) throw new Unreadable();
  return id;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSeq(value: unknown): value is Seq {
  return isCount(value);
}

function isTime(value: unknown): value is EpochMs {
  return typeof value === 'number' && Number.isFinite(value);
}

function isSchema(value: unknown): value is string | number | null {
  return value === null || typeof value === 'string' || typeof value === 'number';
}

function isName(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
