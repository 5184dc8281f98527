import type { StoreName } from '@holdfast/protocol';
import { defaultLimits, type Limits, parseStoreName } from '@holdfast/protocol';
import type { Hono } from 'hono';

import {
  Access,
  AuditLog,
  type Authenticate,
  type PathRule,
  type RateLimits,
  Rates,
  type Scope,
  scopes,
  type StoreAccess,
  TokenAuthority,
} from '../../src/access/index.ts';
import { memoryBus } from '../../src/bus/memory.ts';
import type { Blobs } from '../../src/blobs/index.ts';
import { memoryBlobs } from '../../src/blobs/memory.ts';
import { systemClock } from '../../src/host/clock.ts';
import { doorTo } from '../../src/host/door.ts';
import { Stores } from '../../src/host/stores.ts';
import { Files } from '../../src/files/index.ts';
import { createHttp, type HttpDeps, type StoreFigures } from '../../src/http/index.ts';
import { Meters } from '../../src/metrics/index.ts';
import { memory } from '../../src/storage/index.ts';
import type { Storage, StoreRow } from '../../src/storage/port.ts';
import { Webhooks } from '../../src/webhooks/index.ts';

/** When the virtual clock begins. */
export const dawn: number = Date.parse('2026-01-01T00:00:00Z');

const figures: StoreFigures = {
  current_seq: 7,
  entry_count: 3,
  op_count: 7,
  db_size_bytes: 4096,
  file_storage_bytes: 0,
  latest_snapshot_seq: null,
  latest_snapshot_at: null,
  incarnation: 'figures',
  oldest_seq: 1,
  recent_ops: [
    { store_seq: 7, op: 'set', path: 'secret/plan', inserted_at: '2026-01-01T00:00:00.000Z' },
  ],
};

/** A request of one token holder. `body` is sent as JSON. */
export type Ask = (
  method: string,
  path: string,
  body?: unknown,
  headers?: { readonly [name: string]: string },
) => Promise<{
  readonly status: number;
  readonly headers: Headers;
  readonly json: { readonly [key: string]: unknown };
}>;

/** A server's HTTP surface over memory storage, with a clock that the test turns. */
export class World {
  readonly clock: { at: number; now(): number } = {
    at: dawn,
    now() {
      return this.at;
    },
  };
  readonly storage: Storage = memory({ now: () => this.clock.at });
  readonly tokens: TokenAuthority = new TokenAuthority(this.storage, this.clock);
  readonly audit: AuditLog = new AuditLog(this.storage, this.clock, (_what, error) => {
    this.failures.push(error);
  });
  readonly access: Access;
  readonly blobs: Blobs = memoryBlobs({ now: () => this.clock.at });
  readonly files: Files;
  readonly app: Hono;
  readonly rates: Rates;
  readonly meters: Meters = new Meters();
  readonly limits: Limits = { ...defaultLimits, max_json_body: 2048 };
  readonly archived: string[] = [];
  readonly revoked: string[] = [];
  readonly failures: unknown[] = [];
  #ids = 0;

  constructor(
    changes: Partial<Omit<HttpDeps, 'rates'>> & {
      readonly authenticate?: Authenticate;
      readonly rates?: RateLimits;
    } = {},
  ) {
    const { authenticate, rates = null, ...deps } = changes;
    this.rates = new Rates(rates, () => this.clock.at);
    this.access = new Access({
      tokens: this.tokens,
      now: () => this.clock.at,
      ...(authenticate === undefined ? {} : { authenticate }),
    });
    const stores = new Stores({
      storage: this.storage,
      bus: memoryBus(),
      clock: systemClock,
      limits: defaultLimits,
      meters: this.meters,
      slow: null,
      report: (_what, error) => void this.failures.push(error),
      stopped: () => undefined,
    });
    this.files = new Files({
      storage: this.storage,
      blobs: this.blobs,
      limits: this.limits,
      clock: { ...systemClock, wall: () => this.clock.at, now: () => this.clock.at },
      report: (_what, error) => void this.failures.push(error),
    });
    let channels = 0;
    this.app = createHttp({
      storage: this.storage,
      ...doorTo(stores, () => (channels += 1)),
      clock: systemClock,
      closing: new AbortController().signal,
      access: this.access,
      rates: this.rates,
      files: this.files,
      webhooks: new Webhooks({
        storage: this.storage,
        bus: memoryBus(),
        clock: systemClock,
        limits: this.limits,
        newId: () => this.newId(),
        counted: () => undefined,
        report: (_what, error) => void this.failures.push(error),
      }),
      tokens: this.tokens,
      audit: this.audit,
      version: '0.0.0',
      meters: this.meters,
      figures: () => ({
        uptime_ms: 1,
        sockets: 0,
        channels: { store: 0, presence: 0 },
        unsent_bytes: 0,
        lag_ops: 0,
        commits: 0,
        stores: [],
      }),
      ready: () => ({ ok: true, checks: { database: 'ok', pubsub: 'ok' } }),
      now: () => this.clock.at,
      newId: () => this.newId(),
      newIncarnation: () => `incarnation-${this.newId()}`,
      onStoreArchived: (id) => {
        this.archived.push(id);
        return stores.archive(id);
      },
      onStorePurged: (id) => stores.reopen(id),
      onTokenRevoked: (id) => void this.revoked.push(id),
      onFailure: (error) => void this.failures.push(error),
      limits: this.limits,
      origins: ['https://app.example'],
      statusOf: () => Promise.resolve(figures),
      ...deps,
    });
  }

  newId(): string {
    this.#ids += 1;
    return `00000000-0000-4000-8000-${String(this.#ids).padStart(12, '0')}`;
  }

  async store(name: string, expiresAt: number | null = null): Promise<StoreRow> {
    const row = await this.storage.stores.create({
      id: this.newId(),
      name: storeName(name),
      incarnation: this.newId(),
      expiresAt,
    });
    if (row === null) throw new Error(`${name} exists already`);
    return row;
  }

  /** Issues a token: of acme, for everything, unless said. */
  async token(
    grants: {
      readonly org?: string;
      readonly scopes?: readonly Scope[];
      readonly storeAccess?: StoreAccess;
      readonly expiresAt?: number;
      readonly pathRules?: readonly PathRule[];
    } = {},
  ): Promise<{ readonly id: string; readonly raw: string; readonly ask: Ask }> {
    const { row, rawToken } = await this.tokens.issue({
      name: 'test',
      org: grants.org ?? 'acme',
      scopes: grants.scopes ?? scopes,
      storeAccess: grants.storeAccess ?? { mode: 'all' },
      expiresAt: grants.expiresAt ?? null,
      createdBy: null,
      pathRules: grants.pathRules ?? null,
    });
    return { id: row.id, raw: rawToken, ask: this.as(rawToken) };
  }

  /** Asks with this token; null: with none. */
  as(token: string | null): Ask {
    return async (method, path, body, extra = {}) => {
      const headers = new Headers(extra);
      if (token !== null) headers.set('Authorization', `Bearer ${token}`);
      if (body !== undefined) headers.set('Content-Type', 'application/json');
      const init = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await this.app.request(path, { method, headers, ...init });
      const text = await response.text();
      const json = text === '' ? {} : JSON.parse(text);
      return { status: response.status, headers: response.headers, json };
    };
  }
}

function storeName(text: string): StoreName {
  const name = parseStoreName(text);
  if (name === null) throw new Error(`${text} is not a store name`);
  return name;
}
