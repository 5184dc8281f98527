import { createHash, type Hash } from 'node:crypto';
import { fingerprint, isObject } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { Principal } from '../access/index.ts';
import { keyOf, reused } from './commit.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './errors.ts';

/** What an import came to. */
export type Told = {
  readonly status: 200 | 422;
  readonly report: { readonly ok: boolean; readonly [field: string]: unknown };
};

type Asked = {
  readonly principal: Principal;
  readonly storeId: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Takes in what the body brings. */
  readonly take: (body: AsyncIterable<Uint8Array>) => Promise<Told>;
};

/** What an import came to, and the digest of its body; null: it was not kept. */
type Kept = { readonly told: Told; readonly digest: string | null };

/**
 * The Idempotency-Keys of imports (stores.md §15.3). One that has come to its end is told again, from its key, to who sends
 * the same again; one that was cut off goes on where it stopped, for its lines are known by the key as they would be by an
 * `import_id`.
 */
export class ImportKeys {
  readonly #deps: Pick<HttpDeps, 'storage' | 'now'>;
  readonly #running = new Set<string>();

  constructor(deps: Pick<HttpDeps, 'storage' | 'now'>) {
    this.#deps = deps;
  }

  async perform(c: Context, asked: Asked): Promise<Response> {
    const key = keyOf(c);
    if (key === null) return answer(c, await asked.take(asked.body));
    const name = digest(['import', asked.storeId, ...bearer(asked.principal), key]);
    if (this.#running.has(name)) throw new Problem(409, 'idempotency_in_progress');
    this.#running.add(name);
    try {
      return await this.#perform(c, name, asked);
    } finally {
      this.#running.delete(name);
    }
  }

  async #perform(c: Context, name: string, { body, take }: Asked): Promise<Response> {
    const { storage, now } = this.#deps;
    // Another length is another request, before a byte is read.
    const value = c.req.header('content-length') ?? null;
    const print = fingerprint({ op: 'import', path: new URL(c.req.url).search, value });
    const row = await storage.keys.take({ name, print, at: now() });
    if (row !== null && row.print !== print) throw reused();
    const known = row === null ? null : readKept(row.answer);
    const hash = createHash('sha256');
    const bytes = hashed(body, hash);
    const told = known?.told ?? (await take(bytes));
    // Also what follows the end of an archive.
    await pass(bytes);
    const sum = hash.digest('base64url');
    if (known !== null) {
      if (known.digest !== null && known.digest !== sum) throw reused();
      c.header('Idempotent-Replay', 'true');
    } else await storage.keys.answer(name, JSON.stringify({ ...told, digest: sum }));
    return answer(c, told);
  }
}

/** The same bytes; what was read of them is in the hash. */
async function* hashed(
  bytes: AsyncIterable<Uint8Array>,
  hash: Hash,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of bytes) {
    hash.update(piece);
    yield piece;
  }
}

async function pass(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of bytes) void piece;
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

function readKept(text: string | null): Kept | null {
  const kept: unknown = text === null ? null : JSON.parse(text);
  if (!isObject(kept) || !isObject(kept['report'])) return null;
  const { status, report, digest: sum } = kept;
  const told: Told = {
    status: status === 422 ? 422 : 200,
    report: { ...report, ok: report['ok'] === true },
  };
  return { told, digest: typeof sum === 'string' ? sum : null };
}
