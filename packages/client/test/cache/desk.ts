import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asGlob, asPath, asStoreName, type HoldfastError, type Leaf } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
import type { Cache, CacheChange, CacheTerms } from '@holdfast/client';

/** The store of these tests. */
export const app: ReturnType<typeof asStoreName> = asStoreName('acme/app');

/** Terms of a client, and what was reported under them. */
export function termsOf(given: Partial<CacheTerms> = {}): CacheTerms & {
  readonly faults: { readonly why: unknown; readonly kept: unknown }[];
} {
  const faults: { readonly why: unknown; readonly kept: unknown }[] = [];
  return {
    realm: 'wss://example.org anna',
    deviceId: 'laptop-1',
    isDeviceGiven: true,
    schemaVersion: null,
    migrate: null,
    wall: () => 77,
    report: ({ details }: HoldfastError) =>
      faults.push({ why: details['why'], kept: details['kept'] }),
    ...given,
    faults,
  };
}

export function leaf(value: number): Leaf {
  return { value, type: 'integer', revision: 1 };
}

/** A change that puts some leaves and requests at a seq. */
export function change(
  seq: number,
  leaves: { readonly [path: string]: number },
  requests: readonly PendingRequest[] = [],
): CacheChange {
  return {
    seq,
    incarnation: 'first',
    scope: 'whole',
    patterns: [asGlob('**')],
    replaces: false,
    entries: Object.entries(leaves).map(([path, value]) => [asPath(path), leaf(value)]),
    maps: [],
    requests: requests.map((request) => [request.opId, request]),
  };
}

export function pending(n: number, more: Partial<PendingRequest> = {}): PendingRequest {
  return {
    opId: `laptop-1:s:${n}`,
    request: { op: 'set', path: asPath('k'), value: n },
    status: { state: 'queued' },
    attempts: 0,
    createdAt: 1000 + n,
    firstSentAt: null,
    order: n,
    blind: false,
    ...more,
  };
}

/** What a cache holds of the store, in short: leaves, ids of pending requests, ids and reasons of dead letters. */
export async function held(cache: Cache): Promise<{
  readonly seq: number;
  readonly leaves: { readonly [path: string]: unknown };
  readonly outbox: readonly string[];
  readonly letters: readonly (readonly [string, string])[];
}> {
  const image = await cache.load(app);
  const entries = image?.loaded?.entries() ?? [];
  return {
    seq: image?.seq ?? -1,
    leaves: Object.fromEntries([...entries].map(({ path, value }) => [path, value])),
    outbox: (image?.outbox ?? []).map(({ opId }) => opId),
    letters: (cache.letters?.list(app) ?? []).map(({ opId, refusal }) => [opId, refusal.code]),
  };
}

/** A directory that is gone after its use. */
export function scratch(): Disposable & { file(name: string): string } {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));
  return {
    file: (name) => join(directory, name),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
