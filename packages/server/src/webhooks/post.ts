import type { LookupAddress } from 'node:dns';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

import type { Allowed } from './address.ts';
import type { Names } from './names.ts';

const TIMEOUT_MS = 5000;
/** Of an answer's body, which nobody reads, before the connection is cut. */
const BODY_MAX = 64 * 1024;

/** What came of one attempt. */
export type Answered = {
  /** Null where there was no answer. */
  readonly statusCode: number | null;
  readonly responseMs: number;
  /** Null for a 2xx. */
  readonly error: string | null;
};

/** Time and timers of an attempt. */
export type PostClock = {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
};

/** What an attempt goes by. */
export type PostRoom = {
  readonly allowed: Allowed;
  readonly names: Names;
  readonly clock: PostClock;
};

type Letter = { readonly body: string; readonly headers: { readonly [name: string]: string } };

/**
 * Sends to a URL as stores.md §17 has it: an answer within 5 s counts, its body is not kept, redirects are not followed, and
 * the connection goes to the very address that was resolved and checked.
 */
export async function post(
  url: URL,
  letter: Letter,
  { allowed, names, clock }: PostRoom,
): Promise<Answered> {
  const start = clock.now();
  const deadline = new AbortController();
  const timer = clock.setTimeout(() => deadline.abort(), TIMEOUT_MS);
  const done = (): void => clock.clearTimeout(timer);
  try {
    const addresses = await addressesOf(url, { allowed, names }, deadline.signal);
    const statusCode = await send(url, letter, { addresses, signal: deadline.signal, done });
    const responseMs = Math.round(clock.now() - start);
    return { statusCode, responseMs, error: faultOf(statusCode) };
  } catch (error) {
    done();
    const responseMs = Math.round(clock.now() - start);
    const why = deadline.signal.aborted ? 'there was no answer within 5 s' : messageOf(error);
    return { statusCode: null, responseMs, error: why };
  }
}

function faultOf(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  const isRedirect = status >= 300 && status < 400;
  return `the answer was ${status}${isRedirect ? '; redirects are not followed' : ''}`;
}

/** The addresses of the host, all of which must be permitted. */
async function addressesOf(
  url: URL,
  { allowed, names }: Pick<PostRoom, 'allowed' | 'names'>,
  signal: AbortSignal,
): Promise<readonly LookupAddress[]> {
  const host = hostOf(url);
  const addresses = await names.resolve(host, { isListed: allowed.lists(host), signal });
  if (!addresses.every(({ address }) => allowed.permits(host, address))) {
    throw new Error('the address is not a public one');
  }
  return addresses;
}

/** The host as resolvers know it: an IPv6 address without its brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

type Way = {
  readonly addresses: readonly LookupAddress[];
  readonly signal: AbortSignal;
  /** The exchange is over, its body too. */
  readonly done: () => void;
};

function send(url: URL, { body, headers }: Letter, way: Way): Promise<number> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Length': Buffer.byteLength(body) },
      // A connection of its own, to an address that was just checked.
      agent: false,
      signal: way.signal,
      lookup: (_host, { all }, found) => {
        const [first] = way.addresses;
        if (all === true) found(null, [...way.addresses]);
        else found(null, first?.address ?? '', first?.family);
      },
    });
    outgoing.on('response', (response) => {
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.byteLength;
        if (bytes > BODY_MAX) outgoing.destroy();
      });
      response.on('error', () => undefined);
      resolve(response.statusCode ?? 0);
    });
    outgoing.on('error', reject);
    outgoing.on('close', way.done);
    outgoing.end(body);
  });
}

/** What failed, in a word that tells nothing of the network that the server is in. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the request failed';
  if (!('code' in error) || typeof error.code !== 'string') return error.message;
  return `the request failed (${error.code})`;
}
