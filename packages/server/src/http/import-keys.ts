import { createHash } from 'node:crypto';
import { fingerprint, isObject } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { Principal } from '../access/index.ts';
import { keyOf } from './commit.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './errors.ts';

/** What an import came to. */
export type Told = {
  readonly status: 200 | 422;
  readonly report: { readonly ok: boolean; readonly [field: string]: unknown };
};

type Whose = { readonly principal: Principal; readonly storeId: string };

/**
 * The Idempotency-Keys of imports (stores.md §15.3). One that has come to its end is told again, from its key; one that was
 * cut off goes on where it stopped, for its lines are known by the key as they would be by an `import_id`.
 */
export class ImportKeys {
  readonly #deps: Pick<HttpDeps, 'storage' | 'now'>;
  readonly #running = new Set<string>();

  constructor(deps: Pick<HttpDeps, 'storage' | 'now'>) {
    this.#deps = deps;
  }

  async perform(c: Context, whose: Whose, take: () => Promise<Told>): Promise<Response> {
    const key = keyOf(c);
    if (key === null) return answer(c, await take());
    const name = digest(['import', whose.storeId, ...bearer(whose.principal), key]);
    if (this.#running.has(name)) throw new Problem(409, 'idempotency_in_progress');
    this.#running.add(name);
    try {
      return await this.#perform(c, name, take);
    } finally {
      this.#running.delete(name);
    }
  }

  async #perform(c: Context, name: string, take: () => Promise<Told>): Promise<Response> {
    const { storage, now } = this.#deps;
    // The body is not read for this: it is known by its length, where that is told.
    const value = c.req.header('content-length') ?? null;
    const print = fingerprint({ op: 'import', path: new URL(c.req.url).search, value });
    const row = await storage.keys.take({ name, print, at: now() });
    if (row !== null && row.print !== print) {
      throw new Problem(422, 'idempotency_key_reuse', {
        detail: 'This key was used for another request; take a new one.',
      });
    }
    const known = row === null ? null : readTold(row.answer);
    // Of no known length it is read, to see whether there is anything new in it.
    const told = known !== null && value !== null ? known : await take();
    if (known !== null && (told === known || isRepeat(told, known))) {
      c.header('Idempotent-Replay', 'true');
      return answer(c, known);
    }
    await storage.keys.answer(name, JSON.stringify(told));
    return answer(c, told);
  }
}

/** Whether nothing has come of an import but what had come of one before. */
function isRepeat({ report: now }: Told, { report: then }: Told): boolean {
  const brought = Number(then['imported']) + Number(then['skipped']);
  const isSame = now['skipped'] === brought && now['failed_total'] === then['failed_total'];
  return isSame && now['imported'] === 0;
}

/** By what the lines of an import are known that has a key and no name of its own; null: they are not. */
export function importIdOf(c: Context, principal: Principal): string | null {
  const key = keyOf(c);
  return key === null ? null : digest([...bearer(principal), key]);
}

function bearer({ tokenId, subject }: Principal): readonly (string | null)[] {
  return [tokenId, subject];
}

function digest(of: readonly (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(of)).digest('base64url');
}

function answer(c: Context, { status, report }: Told): Response {
  return c.json(report, status);
}

function readTold(text: string | null): Told | null {
  const told: unknown = text === null ? null : JSON.parse(text);
  if (!isObject(told) || !isObject(told['report'])) return null;
  const { status, report } = told;
  return { status: status === 422 ? 422 : 200, report: { ...report, ok: report['ok'] === true } };
}
