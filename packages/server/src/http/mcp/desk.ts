import { isObject, parseStoreName, refuse } from '@holdfast/protocol';

import { type Caller, vouch } from '../identify.ts';
import { Problem, refused } from '../errors.ts';
import type { Told } from './fields.ts';

/** An answer of a route. */
export type JsonAnswer = { readonly [field: string]: unknown };

type Asked = {
  readonly query?: { readonly [name: string]: unknown };
  readonly json?: object;
  readonly body?: NonNullable<RequestInit['body']>;
  readonly headers?: { readonly [name: string]: string };
};

/** Of an answer to a read, which travels as text and as structure: more of it is no use to an agent. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Where the tools of one agent do their work: the routes of this server, asked in its name (stores.md §19.1). */
export class Desk {
  readonly #fetch: (request: Request) => Response | Promise<Response>;
  readonly #caller: Caller;
  /** Ends when nobody waits for the answer any more. */
  readonly signal: AbortSignal;

  constructor(
    fetch: (request: Request) => Response | Promise<Response>,
    caller: Caller,
    signal: AbortSignal,
  ) {
    this.#fetch = fetch;
    this.#caller = caller;
    this.signal = signal;
  }

  /** Asks a route, and takes its JSON; throws the {@link Problem} that it answers with. */
  async ask(method: string, path: string, asked: Asked = {}): Promise<JsonAnswer> {
    const response = await this.fetch(method, path, asked);
    return objectIn(await response.text());
  }

  /** Asks for what may be however large; throws where it is more than is told at once. */
  async read(path: string, query: Told): Promise<JsonAnswer> {
    const response = await this.fetch('GET', path, { query });
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of response.body ?? []) {
      size += piece.byteLength;
      // Of what is made as it is read the rest is never made.
      if (size > ANSWER_BYTES_MAX) throw tooLarge();
      pieces.push(piece);
    }
    return objectIn(Buffer.concat(pieces).toString());
  }

  /** The same, for answers that are no JSON. */
  async fetch(method: string, path: string, asked: Asked = {}): Promise<Response> {
    const { query = {}, json, body = json && JSON.stringify(json), headers } = asked;
    const url = new URL(path, 'http://holdfast.invalid');
    for (const [name, value] of Object.entries(query)) {
      if (typeof value === 'string' || typeof value === 'number') {
        url.searchParams.set(name, String(value));
      }
    }
    const request = new Request(url, {
      method,
      headers: { ...(json && { 'Content-Type': 'application/json' }), ...headers },
      ...(body !== undefined && { body }),
    });
    const response = await this.#fetch(vouch(request, this.#caller));
    if (response.ok) return response;
    throw await problemOf(response);
  }
}

function tooLarge(): Problem {
  const message =
    `The answer has more than ${ANSWER_BYTES_MAX} bytes. Ask for less: with a smaller limit, between seqs that are closer, ` +
    'or for a path further down; holdfast_entries lists what is below a path page by page.';
  return refused(refuse('value_too_large', { limit: ANSWER_BYTES_MAX, message }));
}

function objectIn(text: string): JsonAnswer {
  const answer: unknown = JSON.parse(text);
  if (!isObject(answer)) throw new Problem(500, 'internal_error');
  return answer;
}

/** The routes of the store that a tool is told, such as `acme/blog`. */
export function storePath({ store }: Told): string {
  const name = typeof store === 'string' ? parseStoreName(store) : null;
  if (name === null) {
    // What is no name is answered as a store that is not there is; a model is told what would be one.
    const message = 'A store is named org/name; holdfast_stores lists those that you may use.';
    throw new Problem(404, 'not_found', { message });
  }
  return `/api/stores/${name}`;
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  const answer: unknown = text.startsWith('{') ? JSON.parse(text) : {};
  const { error, ...details } = isObject(answer) ? answer : {};
  const code = typeof error === 'string' ? error : 'internal_error';
  return new Problem(response.status, code, details);
}
