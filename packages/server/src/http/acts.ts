import { createHash } from 'node:crypto';
import { fingerprint, isObject } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { Principal } from '../access/index.ts';
import type { KeyRow } from '../storage/port.ts';
import { keyOf, reused } from './commit.ts';
import type { HttpDeps } from './deps.ts';
import { answerProblem, Problem } from './errors.ts';
import { chargeWrite, credentialsOf, unchargeWrite } from './identify.ts';
import { seal, unseal } from './sealed.ts';

const REMEMBERED_MS = 24 * 3_600_000;
const REMEMBERED_MAX = 10_000;

/** An answer that was given, and to what. */
type Given = {
  readonly print: number;
  readonly at: number;
  readonly answer: Answer | null;
  /** Stands for what would open it, were it sealed; null where it holds no secret. */
  readonly seal: string | null;
};

type Answer = { readonly status: number; readonly text: string };

/** What a request for an act says. */
type Wanted = {
  readonly principal: Principal;
  /** What it says beside its address. */
  readonly body?: object;
  /** The answer holds a secret, which is not to be kept in clear. */
  readonly isSecret?: boolean;
};

/**
 * What changes something and is no commit of a store: stores, tokens, webhooks. Each counts as a write (stores.md §12.2),
 * and a repeat with the same Idempotency-Key gets the first answer (§15.3), for 24 hours, restarts included. An answer that
 * holds a secret is kept sealed: the bearer token and the key, both of which only the asker has, open it.
 */
export class Acts {
  readonly #deps: HttpDeps;
  /** Oldest first; without an answer as long as the first request is on its way. */
  readonly #given = new Map<string, Given>();

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  /** Does it, unless that was done already. */
  async perform(c: Context, wanted: Wanted, run: () => Promise<Response>): Promise<Response> {
    const { principal, body = {}, isSecret = false } = wanted;
    const key = keyOf(c);
    const charge = (): void => chargeWrite(this.#deps, c, principal);
    if (key === null) {
      charge();
      return run();
    }
    const who = JSON.stringify([principal.tokenId, principal.subject, storeIn(c), key]);
    const { pathname, search } = new URL(c.req.url);
    const path = `${c.req.method} ${pathname}${search}`;
    const asked: Asked = {
      name: createHash('sha256').update(who).digest('base64url'),
      print: fingerprint({ op: 'act', path, value: body }),
      secret: secretOf(credentialsOf(c).token, key),
      isSecret,
    };
    const known = this.#known(asked.name);
    if (known === null) {
      // Before the key is written down, which costs a commit of its own; that it is a repeat shows only then.
      charge();
      return this.#perform(asked, run, () => unchargeWrite(this.#deps, c, principal));
    }
    if (known.print !== asked.print) throw reused();
    if (known.answer === null) throw new Problem(409, 'idempotency_in_progress');
    if (known.seal !== sealOf(asked, known.answer)) throw sealedFrom();
    return respond(known.answer, true);
  }

  #known(name: string): Given | null {
    const oldest = this.#deps.now() - REMEMBERED_MS;
    for (const [each, { at }] of this.#given) {
      if (at >= oldest && this.#given.size <= REMEMBERED_MAX) break;
      this.#given.delete(each);
    }
    return this.#given.get(name) ?? null;
  }

  /** The key is durable before anything is done, and the answer before it is given. */
  async #perform(
    asked: Asked,
    run: () => Promise<Response>,
    isRepeat: () => void,
  ): Promise<Response> {
    const { keys } = this.#deps.storage;
    const { name, print } = asked;
    const at = this.#deps.now();
    this.#given.set(name, { print, at, answer: null, seal: null });
    let answer: Answer | null = null;
    try {
      const row = await keys.take({ name, print, at });
      if (row !== null) {
        isRepeat();
        answer = recalled(row, asked);
        return respond(answer, true);
      }
      const made = await readAnswer(run).catch((error: unknown) => this.#undone(name, error));
      if (made.status >= 500 || made.status === 429) await keys.free(name);
      else {
        await this.#keep(asked, made);
        answer = made;
      }
      return respond(made, false);
    } finally {
      if (answer === null) this.#given.delete(name);
      else this.#given.set(name, { print, at, answer, seal: sealOf(asked, answer) });
    }
  }

  async #undone(name: string, error: unknown): Promise<never> {
    await this.#deps.storage.keys.free(name);
    throw error;
  }

  /** It is done, whether or not the answer can be kept. */
  async #keep(asked: Asked, answer: Answer): Promise<void> {
    const { name, secret } = asked;
    const text = JSON.stringify(answer);
    const isSealed = hides(asked, answer);
    const kept = { sealed: isSealed, text: isSealed ? secret && seal(text, secret) : text };
    try {
      await this.#deps.storage.keys.answer(name, JSON.stringify(kept));
    } catch (error) {
      this.#deps.onFailure(error);
    }
  }
}

type Asked = {
  readonly name: string;
  readonly print: number;
  /** Opens what is kept sealed; null: the asker has none that would do. */
  readonly secret: string | null;
  readonly isSecret: boolean;
};

/** A key alone may be easy to guess. */
function secretOf(token: string | null, key: string): string | null {
  return token === null ? null : JSON.stringify([token, key]);
}

/** Whether an answer holds a secret: a refusal does not. */
function hides({ isSecret }: Asked, { status }: Answer): boolean {
  return isSecret && status < 300;
}

/** The same for all who could open the answer; null where it holds no secret. Neither token nor key is to be had from it. */
function sealOf(asked: Asked, answer: Answer): string | null {
  if (!hides(asked, answer)) return null;
  return createHash('sha256').update(JSON.stringify(asked.secret)).digest('base64url');
}

function sealedFrom(): Problem {
  return new Problem(409, 'idempotency_answer_sealed', {
    detail:
      'This was done. Its answer holds a secret, and can be told only to the very token that asked. Revoke what was made, and ask under a new key.',
  });
}

/** The answer that was given before the server started, or by another. */
function recalled({ print, answer }: KeyRow, asked: Asked): Answer {
  if (print !== asked.print) throw reused();
  if (answer === null) {
    throw new Problem(409, 'idempotency_outcome_unknown', {
      detail:
        'The server stopped while it did this, or another server does it now. Look whether it was done, and ask under a new key.',
    });
  }
  const { sealed, text } = readKept(answer);
  const plain =
    sealed && text !== null && asked.secret !== null ? unseal(text, asked.secret) : text;
  if (plain === null || (sealed && asked.secret === null)) {
    throw sealedFrom();
  }
  return readStored(plain);
}

function readKept(json: string): { readonly sealed: boolean; readonly text: string | null } {
  const kept: unknown = JSON.parse(json);
  if (!isObject(kept)) throw new TypeError('a kept answer is no object');
  const { sealed, text } = kept;
  return { sealed: sealed === true, text: typeof text === 'string' ? text : null };
}

function readStored(json: string): Answer {
  const stored: unknown = JSON.parse(json);
  if (!isObject(stored)) throw new TypeError('a kept answer is no object');
  const { status, text } = stored;
  return { status: Number(status), text: String(text) };
}

/** A refusal is an answer like any other. */
async function readAnswer(run: () => Promise<Response>): Promise<Answer> {
  const response = await run().catch((error: unknown) => {
    if (error instanceof Problem) return answerProblem(error);
    throw error;
  });
  return { status: response.status, text: await response.text() };
}

function respond({ status, text }: Answer, isReplay: boolean): Response {
  return new Response(text, {
    status,
    headers: {
      'Content-Type': 'application/json',
      ...(isReplay && { 'Idempotent-Replay': 'true' }),
    },
  });
}

function storeIn(c: Context): string | null {
  const { org, store } = c.req.param();
  return store === undefined ? null : `${org ?? ''}/${store}`;
}
