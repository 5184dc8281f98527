import { type Asking, recordFor, recordOf, type Submission } from '@holdfast/engine/authority';
import {
  fingerprint,
  isRefusal,
  pick,
  type Refusal,
  refuse,
  type WriteReply,
} from '@holdfast/protocol';
import type { Context } from 'hono';

import { type Look, type Principal, rightsOf } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { Problem, refused } from './errors.ts';
import { deviceOf, tellRate } from './identify.ts';
import { stillOf, type Write, writeFor } from './open-for.ts';

/** What a route wants committed. */
export type Wanted = {
  readonly principal: Principal;
  readonly request: Submission['request'];
  /** What makes two requests the same, for the Idempotency-Key. */
  readonly same: object;
  readonly forced?: boolean;
  /** The request was charged for what came before the commit. */
  readonly isPaid?: boolean;
  /** What it takes to decide it counts as looked at. */
  readonly look?: Look;
};

/** The answer, and whether it is that of an earlier request with the same key. */
export type Outcome = { readonly reply: WriteReply; readonly replayed: boolean };

type Asked = Wanted & { readonly write: Write };

type RequestId = { readonly deviceId: string; readonly opId: string };

const keySyntax = /^[\x20-\x7e]{1,128}$/;

/** Commits what HTTP requests ask for; an Idempotency-Key makes repeats harmless (stores.md §15.3). */
export class Committer {
  readonly #deps: HttpDeps;
  /** Keys whose request is on its way. */
  readonly #running = new Set<string>();

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  /** Throws a {@link Problem} for every refusal. */
  async commit(c: Context, store: OpenStore, wanted: Wanted): Promise<Outcome> {
    try {
      return await this.#commit(c, store, wanted);
    } finally {
      tellRate(c, this.#deps.rates.writes(wanted.principal));
    }
  }

  async #commit(c: Context, store: OpenStore, wanted: Wanted): Promise<Outcome> {
    const key = keyOf(c);
    const { principal } = wanted;
    const deviceId = deviceOf(c, principal);
    const asking = { deps: this.#deps, principal, store };
    const asked = { ...wanted, write: writeFor(c, asking, stillOf(c, asking)) };
    if (key === null) {
      const reply = await this.#write(store, asked, { deviceId, opId: this.#deps.newId() });
      return { reply: accepted(reply), replayed: false };
    }
    const running = JSON.stringify([store.row.id, deviceId, key, principal.subject]);
    if (this.#running.has(running)) throw new Problem(409, 'idempotency_in_progress');
    this.#running.add(running);
    try {
      return await this.#repeatable(store, asked, { deviceId, opId: key });
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Whether the request repeats one that was committed, by its key; and by its fingerprint where that is known by now: what
   * somebody else has asked under the key of this device is another request.
   */
  async isRepeat(
    c: Context,
    row: StoreRow,
    { principal, print }: { readonly principal: Principal; readonly print?: number },
  ): Promise<boolean> {
    const opId = c.req.header('idempotency-key');
    if (opId === undefined) return false;
    const ids = [{ deviceId: deviceOf(c, principal), opId }];
    const known = await this.#deps.storage.answers(row.id, { ids, clients: [] });
    // It does not look at values.
    const veil = this.#deps.veilOf?.(principal, { row, valueAt: () => undefined }) ?? null;
    const asker = { principal: principal.subject, ...rightsOf(principal, veil) };
    const record = recordOf(asker, known.answers);
    if (record === null || print === undefined) return record !== null;
    return record.principal === principal.subject || record.fingerprint === print;
  }

  async #repeatable(store: OpenStore, wanted: Asked, id: RequestId): Promise<Outcome> {
    const known = await this.#deps.storage.answers(store.row.id, { ids: [id], clients: [] });
    const reply = await this.#write(store, wanted, id);
    if (isRefusal(reply) && reply.code === 'duplicate_op_id') {
      throw reused();
    }
    const asking = this.#askingOf(store, wanted);
    const repeated = recordFor(asking, known.answers);
    return { reply: accepted(reply), replayed: repeated !== null && repeated !== 'other' };
  }

  /** Whose request it is, and what it asks for. */
  #askingOf(store: OpenStore, { principal, request, same }: Wanted): Asking {
    return {
      fingerprint: fingerprint(same),
      principal: principal.subject,
      request,
      ...rightsOf(principal, this.#deps.veilOf?.(principal, store) ?? null),
    };
  }

  /** What a rollback restores was the store's before: a retained op names it. An import judges its own. */
  async #judge(
    store: OpenStore,
    { principal, request }: Pick<Wanted, 'principal' | 'request'>,
  ): Promise<Refusal | null> {
    if (isRefusal(request) || isOwnWork(request)) return null;
    return this.#deps.files.judge(principal, store.row.id, request);
  }

  async #write(store: OpenStore, wanted: Asked, id: RequestId): Promise<WriteReply | Refusal> {
    const { principal, request, forced = false, isPaid = false, look } = wanted;
    const files = await this.#judge(store, { principal, request });
    const rate = this.#deps.rates.write(principal, isPaid ? 0 : costOf(request));
    const submitted = {
      ...id,
      ...this.#askingOf(store, wanted),
      rate: look?.counting(rate) ?? rate,
      files,
      fileRule: this.#deps.files.ruleOf(principal, store.row.id),
      forced,
    };
    const reply = await wanted.write(submitted);
    const mayRead = principal.scopes.has('entries:read');
    return mayRead || !isRefusal(reply) ? reply : withoutState(reply);
  }
}

/** What a refusal tells of what is there: who holds a lease, the type of a value, how many leaves there are. */
const ofState: ReadonlySet<string> = new Set(['holder', 'expires_at', 'type', 'current']);

/** A refusal for somebody who may write, and read nothing. */
function withoutState({ code, details }: Refusal): Refusal {
  return refuse(
    code,
    pick(details, (field) => !ofState.has(field)),
  );
}

/** The Idempotency-Key of a request, if it has one. */
export function keyOf(c: Context): string | null {
  const key = c.req.header('idempotency-key') ?? null;
  if (key === null || keySyntax.test(key)) return key;
  throw new Problem(400, 'invalid_params', {
    detail: 'An Idempotency-Key has 1 to 128 printable characters.',
  });
}

/** A key names one request. */
export function reused(): Problem {
  return new Problem(422, 'idempotency_key_reuse', {
    detail: 'This key was used for another request; take a new one.',
  });
}

function isOwnWork(
  request: Exclude<Wanted['request'], Refusal>,
): request is Extract<Wanted['request'], { op: 'rollback' | 'import' | 'migrate' }> {
  const { op } = request;
  return op === 'rollback' || op === 'import' || op === 'migrate';
}

/** Where a repeat is told to be one. */
export function markReplay(c: Context, { replayed }: Pick<Outcome, 'replayed'>): void {
  if (replayed) c.header('Idempotent-Replay', 'true');
}

/** The seq that a commit ended at. */
export function seqOf(reply: WriteReply): number {
  if ('store_seq' in reply) return reply.store_seq;
  throw refused(refuse('not_held'));
}

function accepted(reply: WriteReply | Refusal): WriteReply {
  if (isRefusal(reply)) throw refused(reply);
  return reply;
}

/** A transaction counts as so many writes (stores.md §12.2). */
function costOf(request: Wanted['request']): number {
  return !isRefusal(request) && request.op === 'transact' ? request.ops.length : 1;
}
