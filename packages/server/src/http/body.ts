import { isObject, refuse } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { Principal } from '../access/index.ts';
import type { HttpDeps } from './deps.ts';
import { invalidBody, Problem, refused } from './errors.ts';
import { needValid } from './identify.ts';
import { forWhole, lively } from './lively.ts';
import { bodies, type BodyName } from './openapi/index.ts';

/** A body that took longer is not its sender's word any more, if the sender has been shut out meanwhile (stores.md §11.3). */
const QUICK_MS = 1000;

/** The JSON object in a request's body, of which never more than `max_json_body` bytes are held (stores.md §12.1.1). */
export async function readObject(
  c: Context,
  deps: HttpDeps,
  principal: Principal | null,
): Promise<{ readonly [key: string]: unknown }> {
  const value = await readJson(c, deps, principal);
  if (!isObject(value)) throw malformed('The body must be a JSON object.');
  return value;
}

/** Refuses fields that are not documented: one that is misspelt would be passed over, and with it what it asks for. */
export function onlyFields(
  object: object,
  name: BodyName,
  problem: (field: string, detail: string) => Problem = invalidBody,
): void {
  const { properties } = bodies[name];
  const strange = Object.keys(object).find((field) => !Object.hasOwn(properties, field));
  if (strange === undefined) return;
  const known = Object.keys(properties);
  const list = `There ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}.`;
  throw problem(strange.slice(0, 40), `There is no such field. ${list}`);
}

/** The JSON value that is a request's body, within the same bounds. */
export async function readJson(
  c: Context,
  deps: HttpDeps,
  principal: Principal | null,
): Promise<unknown> {
  const request = c.req.raw;
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')) {
    throw new Problem(415, 'unsupported_media_type', { detail: 'Send application/json.' });
  }
  needPlain(request.headers);
  const began = performance.now();
  const bytes = await readBytes(request, deps.limits.max_json_body);
  const wasQuick = performance.now() - began <= QUICK_MS;
  if (principal !== null && !wasQuick) await needValid(deps, c, principal);
  const text = decode(bytes);
  if (text.trim() === '') throw new Problem(400, 'empty_body');
  return parse(text);
}

/** Refuses a body that is compressed: it would be read, or kept, as what it is not. */
export function needPlain(headers: Headers): void {
  const coding = headers.get('content-encoding') ?? 'identity';
  if (/^identity$/i.test(coding)) return;
  const detail = 'Send the body as it is, without a Content-Encoding.';
  throw new Problem(415, 'unsupported_media_type', { detail });
}

async function readBytes(request: Request, max: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > max) throw tooLarge(max);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of lively(request.body, forWhole)) {
    size += piece.byteLength;
    if (size > max) throw tooLarge(max);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, size);
}

function tooLarge(limit: number): Problem {
  return refused(refuse('body_too_large', { limit }));
}

function malformed(detail: string): Problem {
  return refused(refuse('invalid_payload', { detail }));
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed('The body is not UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('The body is not JSON.');
  }
}
