import {
  HoldfastError,
  isObject,
  isReason,
  isRefusal,
  readRefusal,
  refuse,
  RejectedError,
  type Seq,
} from '@holdfast/protocol';
import { toldMs } from '@holdfast/engine/replica';
import type { Signal } from '@holdfast/engine/registry';
import { type ConnectionStatus, isOver } from './connection.ts';
import { credentialsOf, isWeather } from './link/credentials.ts';
import { closedError } from './mistakes.ts';
import { orAborted } from './or-aborted.ts';
import type { Settings, TokenSource } from './options.ts';
import type { StoreStatus } from './status.ts';

/** Where things of one store are asked for over HTTP. */
export type StoreDesk = {
  readonly settings: Settings;
  /** The name of the store. */
  readonly store: string;
  /** How the replica is doing; null where nothing is replicated. */
  readonly status: Signal<StoreStatus> | null;
  readonly connection: Signal<ConnectionStatus>;
};

/** A request to `/api/stores/<store>/<route>`. */
export type StoreRequest = {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly route: string;
  readonly query: { readonly [name: string]: string };
  readonly headers: { readonly [name: string]: string };
  readonly body?: Blob | ReadableStream<Uint8Array> | string;
  readonly signal: AbortSignal | undefined;
};

/** What a request was answered with. */
export type StoreAnswer = {
  readonly status: number;
  readonly fields: { readonly [name: string]: unknown };
};

/** The line broke, or the server asks to come again: the same request may succeed later. */
export class TryLater extends Error {
  readonly afterMs: number | null;

  constructor(why: unknown, afterMs: number | null = null) {
    super('try later', { cause: why });
    this.name = 'TryLater';
    this.afterMs = afterMs;
  }
}

/** Sends a request with the client's token; asks for another once, where one is refused (stores.md §18 C18). */
export async function send(desk: StoreDesk, request: StoreRequest): Promise<Response> {
  const { token: source } = desk.settings;
  const { signal } = request;
  if (typeof source !== 'function') return sendWith(source ?? '', desk, request);
  const token = await tokenOf(source, signal);
  const first = await sendWith(token, desk, request);
  if (first.status !== 401 || request.body instanceof ReadableStream) return first;
  first.body?.cancel().catch(() => undefined);
  return sendWith(await tokenOf(source, signal, token), desk, request);
}

/** What a source gives; that it could not ask is no more than that a request did not arrive. Who has given up waits for none. */
async function tokenOf(
  source: Exclude<TokenSource, string>,
  signal: AbortSignal | undefined,
  refused?: string,
): Promise<string> {
  try {
    const given = Promise.resolve(source(refused));
    return await (signal === undefined ? given : orAborted(signal, given));
  } catch (error) {
    signal?.throwIfAborted();
    throw isWeather(error) ? new TryLater(error) : error;
  }
}

async function sendWith(
  token: string,
  { settings, store }: StoreDesk,
  { method, route, query, headers, body, signal }: StoreRequest,
): Promise<Response> {
  const names = new URLSearchParams(query).toString();
  const base = settings.whoami.slice(0, -'/whoami'.length);
  const { headers: authority, ...credentials } = credentialsOf(token);
  const init = { method, ...credentials, headers: { ...authority, ...headers }, signal };
  // A body that is a stream is sent while the answer may come already.
  const sent = body === undefined ? init : { ...init, body, duplex: 'half' };
  const url = `${base}/stores/${store}/${route}?${names}`;
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `duplex` is younger than the types
    return await settings.env.fetch(url, sent as RequestInit);
  } catch (error) {
    signal?.throwIfAborted();
    throw new TryLater(error);
  }
}

/** The fields of an answer, or the error that it is. */
export async function answerOf(response: Response, signal?: AbortSignal): Promise<StoreAnswer> {
  const { status } = response;
  let fields: unknown;
  try {
    fields = await response.json();
  } catch (error) {
    signal?.throwIfAborted();
    throw new TryLater(error);
  }
  if (!isObject(fields)) throw new TryLater(fields);
  if (response.ok || fields['error'] === 'offset_mismatch') return { status, fields };
  throw errorOf(fields);
}

/** The error that a refusal over HTTP is: those of status 403 travel beside `forbidden` (stores.md §15.1.1). */
function errorOf({
  error,
  reason = error,
  ...details
}: {
  readonly [name: string]: unknown;
}): Error {
  const code = String(reason);
  if (code === 'idempotency_in_progress') return new TryLater(code, null);
  // A difference has a word of its own for that (stores.md §13.2.2).
  if (code === 'compacted') {
    const { earliest_available: from } = details;
    const refusal = typeof from === 'number' ? { oldest_seq: from + 1 } : {};
    return RejectedError.from(refuse('beyond_retention', refusal));
  }
  if (!isReason(code)) {
    return new HoldfastError(code === 'not_found' ? 'unauthorized' : 'invalid_payload', {
      error: code,
    });
  }
  const refusal = readRefusal({ ...details, reason: code });
  if (!isRefusal(refusal)) return new TryLater(code);
  if (refusal.retry !== 'later') return RejectedError.from(refusal);
  return new TryLater(code, toldMs(refusal));
}

/** What a caller is told: why the server said no, or that it cannot be reached. */
export function settled(error: unknown, signal: AbortSignal | undefined): unknown {
  if (!(error instanceof TryLater)) return error;
  signal?.throwIfAborted();
  return new HoldfastError('unavailable', { cause: String(error.cause) });
}

const backOffMs = { first: 250, max: 10_000 };
const failuresMax = 15;

/** Waits longer from failure to failure, and in the end no more. */
export class Patience {
  readonly #desk: StoreDesk;
  #failures = 0;

  constructor(desk: StoreDesk) {
    this.#desk = desk;
  }

  /** Something went well. */
  rest(): void {
    this.#failures = 0;
  }

  /** Waits before the next attempt; throws what the caller is to be told, where there is to be none. */
  async wait(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (!(error instanceof TryLater) || this.#failures >= failuresMax) {
      throw settled(error, signal);
    }
    const backOff = Math.min(backOffMs.first * 2 ** this.#failures, backOffMs.max);
    this.#failures += 1;
    const ms = error.afterMs ?? backOff * (0.5 + this.#desk.settings.env.random() / 2);
    await this.#pause(ms, { isAsked: error.afterMs !== null, signal });
  }

  /** Who was not asked to wait goes on as soon as the server is there again. */
  #pause(
    ms: number,
    { isAsked, signal }: { readonly isAsked: boolean; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const { settings, connection } = this.#desk;
    const { env } = settings;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        env.clearTimeout(timer);
        leave();
        signal?.removeEventListener('abort', end);
        if (signal?.aborted === true) reject(signal.reason);
        else resolve();
      };
      const timer = env.setTimeout(end, ms);
      const leave = connection.subscribe(() => {
        if (!isAsked && connection.get().connection === 'connected') end();
      });
      signal?.addEventListener('abort', end);
      if (signal?.aborted === true) end();
    });
  }
}

/** Aborts when the caller gives up, or the client is closed: nothing goes on behind it (P35). */
export function whileOpen(
  { connection }: StoreDesk,
  given: AbortSignal | undefined,
): { readonly signal: AbortSignal; readonly letGo: () => void } {
  const ended = new AbortController();
  const look = (): void => {
    const line = connection.get();
    if (isOver(line)) ended.abort(line.error ?? closedError('client'));
  };
  const leave = connection.subscribe(look);
  // It may have been closed while the code of this was loaded; what was refused may be tried anew.
  if (connection.get().connection === 'closed') look();
  const letGo = (): void => {
    leave();
    // What still waits for bytes would wait for ever.
    ended.abort();
  };
  const signal = given === undefined ? ended.signal : AbortSignal.any([given, ended.signal]);
  return { signal, letGo };
}

const arrivalMs = 2000;

/** Waits until the replica has the commit, but not for long: who is not connected, or replicates nothing, never has. */
export async function arrival(
  { status, settings }: StoreDesk,
  seq: Seq,
  signal?: AbortSignal,
): Promise<void> {
  if (status === null) return;
  const isHere = (): boolean =>
    status.get().seq >= seq || status.get().connection !== 'connected' || signal?.aborted === true;
  if (isHere()) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      settings.env.clearTimeout(timer);
      leave();
      resolve();
    };
    const timer = settings.env.setTimeout(end, arrivalMs);
    const leave = status.subscribe(() => (isHere() ? end() : undefined));
  });
}
