import { isObject, isReason, refusals } from '@holdfast/protocol';
import { type Endpoint, tooLong, unreachable } from './endpoint.ts';
import { outcomeOf } from './exit-codes.ts';
import { Failure, hintForAnswer } from './failure.ts';
import { patiently } from './patience.ts';

/** The fields of an answer. */
export type Answer = { readonly [field: string]: unknown };

/** The fields that an answer must have, and what they are: what stands between may answer everything with a success of its own. */
export type Says = {
  readonly [field: string]: 'text' | 'number' | 'boolean' | 'true' | 'list' | 'object' | Says;
};

type Call = {
  readonly says: Says;
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: object;
};

/**
 * Asks the HTTP API of a server (stores.md §15); anything but success that says what it must is a {@link Failure}. What the
 * server does later is waited for.
 */
export async function callApi(endpoint: Endpoint, path: string, call: Call): Promise<Answer> {
  return patiently(endpoint, () => askOnce(endpoint, path, call));
}

async function askOnce(endpoint: Endpoint, path: string, call: Call): Promise<Answer> {
  const { method = 'GET', body, says } = call;
  const response = await send(endpoint, path, {
    method,
    headers: {
      authorization: `Bearer ${endpoint.token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return readAnswer(response, endpoint, { says });
}

/** Asks who the token is: it tells at once that nobody listens, that it is none, or that this is no server of ours. */
export async function askWho(endpoint: Endpoint): Promise<void> {
  await callApi(endpoint, '/api/whoami', { says: { scopes: 'list', store_access: 'object' } });
}

/** What goes one way or the other as a stream; only the wait for an answer has an end (stores.md §15.2). */
export type Transfer = {
  readonly method?: 'GET' | 'POST';
  readonly type?: string;
  /** The content type of the answer; any where it is not said. */
  readonly accept?: string;
  readonly body?: ReadableStream<Uint8Array>;
  readonly signal: AbortSignal;
  /** A status beside success whose body is the answer. */
  readonly alsoFine?: number;
};

/** Asks for an answer that streams, or sends a body that does; anything but success is a {@link Failure}. */
export async function openApi(
  endpoint: Endpoint,
  path: string,
  { method = 'GET', type, accept, body, signal, alsoFine }: Transfer,
): Promise<Response> {
  const response = await send(endpoint, path, {
    method,
    signal,
    headers: {
      authorization: `Bearer ${endpoint.token}`,
      ...(type !== undefined && { 'content-type': type }),
      ...(accept !== undefined && { accept }),
    },
    ...(body !== undefined && { body, duplex: 'half' }),
  });
  if (!response.ok && response.status !== alsoFine) {
    throw refusalOf(response.status, await readJson(response, endpoint));
  }
  const is = response.headers.get('content-type') ?? '';
  if (accept === undefined || is.startsWith(accept)) return response;
  await response.body?.cancel();
  throw notHoldfast(endpoint, response);
}

/** The pieces of an answer; one that breaks off is a {@link Failure}. */
export async function* piecesOf(
  { body }: Response,
  endpoint: Endpoint,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body ?? [];
  } catch (error) {
    throw unreachable(endpoint, reasonOf(error));
  }
}

async function send(
  endpoint: Endpoint,
  path: string,
  { signal = AbortSignal.timeout(endpoint.timeoutMs), ...init }: RequestInit,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${endpoint.url}${path}`, { ...init, redirect: 'manual', signal });
  } catch (error) {
    throw unreachable(endpoint, reasonOf(error));
  }
  const place = response.headers.get('location');
  if (place === null || response.status < 300 || response.status > 399) return response;
  await response.body?.cancel();
  throw elsewhere(endpoint, path, place);
}

/** A redirect is told, and not followed: to another place the token does not go, and a `POST` arrives as a `GET`. */
function elsewhere(endpoint: Endpoint, path: string, place: string): Failure {
  const asked = new URL(`${endpoint.url}${path}`);
  const there = URL.canParse(place, asked.href) ? new URL(place, asked).href : place;
  const isMoved = there.endsWith(path);
  const hint = isMoved
    ? `If you trust it: --url ${there.slice(0, -path.length)}`
    : 'Check --url or HOLDFAST_URL.';
  return new Failure('refused', `${endpoint.url} sends whoever asks to ${there}.`, {
    code: 'not_holdfast',
    hint,
  });
}

const codes: ReadonlyMap<unknown, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['UND_ERR_SOCKET', 'the connection broke'],
]);

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return tooLong;
  const { cause } = error;
  if (cause instanceof Error && 'code' in cause) return codes.get(cause.code) ?? String(cause.code);
  return cause instanceof Error ? cause.message : error.message;
}

/** Reads an answer that says what it must; one that breaks off, or that refuses, is a {@link Failure}. */
export async function readAnswer(
  response: Response,
  endpoint: Endpoint,
  { says, alsoFine }: { readonly says: Says; readonly alsoFine?: number },
): Promise<Answer> {
  const answer = await readJson(response, endpoint);
  const { ok, status } = response;
  if ((ok || status === alsoFine) && doesSay(answer, says)) return answer;
  throw ok ? notHoldfast(endpoint, response) : refusalOf(status, answer);
}

async function readJson(response: Response, endpoint: Endpoint): Promise<Answer> {
  const text = await response.text().catch((error: unknown) => {
    throw unreachable(endpoint, reasonOf(error));
  });
  try {
    const value: unknown = isJson(response) ? JSON.parse(text) : null;
    if (isObject(value)) return value;
  } catch {
    // Told below, together with JSON that is no object.
  }
  const { status } = response;
  // So answer proxies when there is nothing behind them.
  if (status >= 502 && status <= 504) throw unreachable(endpoint, `a proxy says ${status}`);
  throw notHoldfast(endpoint, response);
}

function isJson({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('application/json') === true;
}

function doesSay(answer: unknown, says: Says): boolean {
  return (
    isObject(answer) &&
    Object.entries(says).every(([field, kind]) => {
      const value = answer[field];
      if (typeof kind === 'object') return doesSay(value, kind);
      if (kind === 'list') return Array.isArray(value);
      if (kind === 'object') return isObject(value);
      if (kind === 'true') return value === true;
      return typeof value === (kind === 'text' ? 'string' : kind);
    })
  );
}

function notHoldfast({ url }: Endpoint, { status }: Response): Failure {
  return new Failure('refused', `${url} answers (${status}), but not as a Holdfast server.`, {
    code: 'not_holdfast',
    hint: 'Check --url or HOLDFAST_URL. A proxy before the server may also answer by itself, as with 413 where it takes no large bodies.',
  });
}

function refusalOf(status: number, answer: Answer): Failure {
  const { error, reason, detail, message, ...details } = answer;
  const code = textIn([reason, error]) ?? String(status);
  // Where the detail is a reason of its own, such as that of a pattern, it has its sentence, too.
  const why = typeof detail === 'string' && isReason(detail) ? sentence(detail) : detail;
  const says = textIn([message, why]) ?? sentence(code);
  const hint = hintForAnswer(code);
  return new Failure(outcomeOfAnswer(status, code), `${code}: ${says}`, {
    code,
    details,
    ...(hint !== undefined && { hint }),
  });
}

function textIn(values: readonly unknown[]): string | undefined {
  return values.find((each) => typeof each === 'string');
}

function outcomeOfAnswer(status: number, code: string): ReturnType<typeof outcomeOf> {
  if (status === 404) return 'not_found';
  if (status === 401 || status === 403) return 'denied';
  return status === 422 && code === 'name_taken' ? 'exists' : outcomeOf(code);
}

function sentence(code: string): string {
  // Of records it says less: those have no store that might be unknown.
  if (code === 'not_found') return 'There is no such thing, or this token may not know of it.';
  if (isReason(code)) return refusals[code].says;
  if (code === 'name_taken') return 'A store has this name already, maybe an archived one.';
  return 'The server refused.';
}
