import { fingerprint } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { Principal } from '../access/index.ts';
import { keyOf } from './commit.ts';
import type { HttpDeps } from './deps.ts';
import { answerProblem, Problem } from './errors.ts';
import { chargeWrite } from './identify.ts';

const REMEMBERED_MS = 24 * 3_600_000;
const REMEMBERED_MAX = 10_000;

/** An answer that was given, and to what. */
type Given = { readonly print: number; readonly at: number; readonly answer: Answer | null };

type Answer = { readonly status: number; readonly text: string };

/**
 * What changes something and is no commit of a store: stores, tokens, webhooks. Each counts as a write (stores.md §12.2),
 * and a repeat with the same Idempotency-Key gets the first answer (§15.3). Answers are remembered for 24 hours, in memory
 * only: some of them hold secrets, which are nowhere to be kept.
 */
export class Acts {
  readonly #deps: HttpDeps;
  /** Oldest first; without an answer as long as the first request is on its way. */
  readonly #given = new Map<string, Given>();

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  /** Does it, unless that was done already; `body` is what the request says beside its address. */
  async perform(
    c: Context,
    { principal, body = {} }: { readonly principal: Principal; readonly body?: object },
    run: () => Promise<Response>,
  ): Promise<Response> {
    const key = keyOf(c);
    const once = (): Promise<Response> => {
      chargeWrite(this.#deps, c, principal);
      return run();
    };
    if (key === null) return once();
    const name = JSON.stringify([principal.tokenId, principal.subject, storeIn(c), key]);
    const { pathname, search } = new URL(c.req.url);
    const path = `${c.req.method} ${pathname}${search}`;
    const print = fingerprint({ op: 'act', path, value: body });
    const known = this.#known(name);
    if (known === null) return this.#remember(name, print, once);
    if (known.print !== print) {
      throw new Problem(422, 'idempotency_key_reuse', {
        detail: 'This key was used for another request; take a new one.',
      });
    }
    if (known.answer === null) throw new Problem(409, 'idempotency_in_progress');
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

  async #remember(name: string, print: number, run: () => Promise<Response>): Promise<Response> {
    const at = this.#deps.now();
    this.#given.set(name, { print, at, answer: null });
    let answer: Answer | null = null;
    try {
      answer = await readAnswer(run);
      return respond(answer, false);
    } finally {
      const isFinal = answer !== null && answer.status < 500 && answer.status !== 429;
      if (isFinal) this.#given.set(name, { print, at, answer });
      else this.#given.delete(name);
    }
  }
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
