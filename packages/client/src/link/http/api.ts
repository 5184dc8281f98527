import { isObject } from '@holdfast/protocol';
import { credentialsOf } from '../credentials.ts';

/** What of the platform HTTP needs. */
export type HttpEnv = {
  fetch(url: string, init: RequestInit): Promise<Response>;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
  wall(): number;
};

/** The token is none. */
export class Unauthorized extends Error {}

/** What the server says to a request. */
export type Answer =
  | { readonly status: 'ok'; readonly response: Members }
  /** With the reason among its members. */
  | { readonly status: 'error'; readonly response: Members & { readonly reason: string } };

type Members = { readonly [name: string]: unknown };

/** What a store is at, as far as who only writes needs it. */
export type Standing = { readonly seq: number; readonly incarnation: string };

const againMs = 250;
/** A request without an answer for so long has none (records.md §19). */
const answerMs = 10_000;
/** No leaf has this path: what is told of the store is that it is there. */
const nothing = '_hf:none';
const beginningMax = 64 * 1024;

/** The server by HTTP, for one connection (stores.md §15). */
export class Api {
  readonly #base: string;
  readonly #init: Pick<RequestInit, 'credentials'> & { readonly headers: Headers };
  readonly #env: HttpEnv;
  readonly #closing = new AbortController();

  private constructor(base: string, said: URLSearchParams, env: HttpEnv) {
    const { headers: authority, ...credentials } = credentialsOf(said.get('token') ?? '');
    const headers = new Headers({ 'holdfast-device': said.get('device_id') ?? '', ...authority });
    this.#base = base;
    this.#init = { headers, ...credentials };
    this.#env = env;
  }

  /** By the URL of a socket; null where its device has a name that no header carries. */
  static of(url: string, env: HttpEnv): Api | null {
    const { searchParams, protocol, host, pathname } = new URL(url);
    const device = searchParams.get('device_id') ?? '';
    if (!/^[\x21-\x7e]+$/.test(device)) return null;
    const place = pathname.replace(/\/ws\/sync\/websocket$/, '');
    const base = `${protocol.replace('ws', 'http')}//${host}${place}/api`;
    return new Api(base, searchParams, env);
  }

  close(): void {
    this.#closing.abort();
  }

  /** Resolves when the server is there, and the token is one. */
  async probe(): Promise<void> {
    const response = await this.#fetch('/whoami');
    // A server of pages may have one for everything.
    const told: unknown = response.ok && (await response.json());
    if (!isObject(told)) throw new Error('The server does not say who asks.');
  }

  /** Where a store is, or why it may not be known: as the beginning of a watch tells it (stores.md §16). */
  async standing(store: string): Promise<Standing | Answer> {
    const response = await this.#fetch(`${storeOf(store)}/watch?pattern=${nothing}`, {
      headers: { accept: 'text/event-stream' },
    });
    if (!response.ok) return answerOf(response);
    const { through_seq: seq, incarnation } = await beginningOf(response);
    if (typeof seq === 'number' && typeof incarnation === 'string') return { seq, incarnation };
    throw new Error('The server does not say where the store is.');
  }

  /** Has ops committed, once for each id, however often it is asked for (stores.md §15.3); `trace`: what the write is part of. */
  async transact(
    store: string,
    opId: string,
    { trace, body }: { readonly trace: unknown; readonly body: object },
  ): Promise<Answer> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': opId };
    const init = {
      method: 'POST',
      headers: { ...headers, ...(typeof trace === 'string' && { traceparent: trace }) },
      body: JSON.stringify(body),
    };
    const ask = async (): Promise<Answer> =>
      answerOf(await this.#fetch(`${storeOf(store)}/transact`, init));
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- an earlier attempt is still being answered
      const answer = await this.#inTime(ask());
      if (answer.status === 'ok' || answer.response.reason !== 'idempotency_in_progress') {
        return answer;
      }
      // oxlint-disable-next-line no-await-in-loop -- as above
      await this.#pause();
    }
  }

  async #fetch(
    path: string,
    init: RequestInit & { readonly headers?: { readonly [name: string]: string } } = {},
  ): Promise<Response> {
    const headers = new Headers(this.#init.headers);
    for (const [name, value] of Object.entries(init.headers ?? {})) headers.set(name, value);
    const { signal } = this.#closing;
    const response = await this.#env.fetch(this.#base + path, {
      ...this.#init,
      ...init,
      headers,
      signal,
    });
    if (response.status === 401) throw new Unauthorized();
    return response;
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new Error('The server does not answer.'));
      const timer = this.#env.setTimeout(late, answerMs);
      const isOver = (): void => this.#env.clearTimeout(timer);
      work.finally(isOver).then(resolve, reject);
    });
  }

  #pause(): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#env.clearTimeout(timer);
        signal.removeEventListener('abort', end);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      const timer = this.#env.setTimeout(end, againMs);
      signal.addEventListener('abort', end);
    });
  }
}

function storeOf(name: string): string {
  return `/stores/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/** What no server of ours says leaves open what became of the request, as if nothing had been said. */
async function answerOf(response: Response): Promise<Answer> {
  const body: unknown = await response.json();
  if (!isObject(body)) throw new Error('The answer is none.');
  if (response.ok) return { status: 'ok', response: body };
  const { error, reason, ...details } = body;
  if (typeof error !== 'string') throw new Error('The answer is none.');
  const code = error === 'forbidden' && typeof reason === 'string' ? reason : error;
  return { status: 'error', response: { ...details, reason: code } };
}

/** What the event `ready` of a stream says. */
async function beginningOf({ body }: Response): Promise<Members> {
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    while (text.length < beginningMax) {
      // oxlint-disable-next-line no-await-in-loop -- piece by piece
      const piece = await reader?.read();
      if (piece?.value === undefined) break;
      text += decoder.decode(piece.value, { stream: true });
      const [, data] = /^event: ready\n(?:id: .*\n)?data: (.*)\n/m.exec(text) ?? [];
      if (data === undefined) continue;
      const told: unknown = JSON.parse(data);
      return isObject(told) ? told : {};
    }
    return {};
  } finally {
    void reader?.cancel().catch(() => undefined);
  }
}
