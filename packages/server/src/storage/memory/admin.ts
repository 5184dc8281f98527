import type { EpochMs, StoreName } from '@holdfast/protocol';
import { tokenGraceMs } from '../batch.ts';
import type { LoadChunk, NewStore, StoreRow, StoreTable, TokenRow, TokenTable } from '../port.ts';
import type { Clocks } from '../settled.ts';

const minuteMs = 60_000;

/** What follows from a change of the table of stores. */
export type StoreHooks = {
  readonly created: (store: StoreRow, state: readonly LoadChunk[]) => void;
  readonly purged: (id: string) => void;
};

/** The table of stores. */
export class MemoryStores implements StoreTable {
  readonly #now: () => EpochMs;
  readonly #hooks: StoreHooks;
  readonly #rows = new Map<string, StoreRow>();

  constructor(now: () => EpochMs, hooks: StoreHooks) {
    this.#now = now;
    this.#hooks = hooks;
  }

  async create(store: NewStore): Promise<StoreRow | null> {
    return this.#add(store, []);
  }

  async seed(store: NewStore, chunks: AsyncIterable<LoadChunk>): Promise<StoreRow | null> {
    const state: LoadChunk[] = [];
    for await (const chunk of chunks) state.push(chunk);
    return this.#add(store, state);
  }

  async get(id: string): Promise<StoreRow | null> {
    return this.#rows.get(id) ?? null;
  }

  async find(name: StoreName): Promise<StoreRow | null> {
    return this.#named(name);
  }

  async list(page: Parameters<StoreTable['list']>[0]): Promise<readonly StoreRow[]> {
    const prefix = page.org === undefined ? '' : `${page.org}/`;
    return [...this.#rows.values()]
      .filter(({ name }) => name.startsWith(prefix) && name > (page.after ?? ''))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .slice(0, page.limit);
  }

  async expired(at: EpochMs, limit: number): Promise<readonly StoreRow[]> {
    return [...this.#rows.values()]
      .filter(({ status }) => status === 'active')
      .filter(({ expiresAt }) => expiresAt !== null && expiresAt <= at)
      .toSorted((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0))
      .slice(0, limit);
  }

  async archive(id: string): Promise<boolean> {
    return this.#change(id, { status: 'archived' });
  }

  async setExpiry(id: string, expiresAt: EpochMs | null): Promise<boolean> {
    return this.#change(id, { expiresAt });
  }

  async purge(id: string): Promise<boolean> {
    this.#hooks.purged(id);
    return this.#rows.delete(id);
  }

  #add({ most, ...store }: NewStore, state: readonly LoadChunk[]): StoreRow | null {
    if (this.#rows.has(store.id) || this.#named(store.name) !== null) return null;
    if (most !== undefined && this.#countLike(store.name) >= most) return null;
    const row: StoreRow = { ...store, status: 'active', insertedAt: this.#now() };
    this.#rows.set(row.id, row);
    this.#hooks.created(row, state);
    return row;
  }

  /** How many stores the org of this name has. */
  #countLike(name: StoreName): number {
    const prefix = name.slice(0, name.indexOf('/') + 1);
    return [...this.#rows.values()].filter((row) => row.name.startsWith(prefix)).length;
  }

  #named(name: StoreName): StoreRow | null {
    for (const row of this.#rows.values()) if (row.name === name) return row;
    return null;
  }

  #change(id: string, change: Partial<StoreRow>): boolean {
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    this.#rows.set(id, { ...row, ...change });
    return true;
  }
}

/** The table of tokens. */
export class MemoryTokens implements TokenTable {
  readonly #rows = new Map<string, TokenRow>();
  readonly #clocks: Clocks;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  async create(token: TokenRow): Promise<boolean> {
    if (this.#rows.has(token.id) || this.#hashed(token.hash) !== null) return false;
    const disbelievedMs = this.#clocks.now() - this.#clocks.settled();
    this.#forget(token.insertedAt - disbelievedMs - tokenGraceMs);
    this.#rows.set(token.id, token);
    return true;
  }

  async get(id: string): Promise<TokenRow | null> {
    return this.#rows.get(id) ?? null;
  }

  async find(hash: string): Promise<TokenRow | null> {
    return this.#hashed(hash);
  }

  async list(org: string): Promise<readonly TokenRow[]> {
    return [...this.#rows.values()]
      .filter((row) => row.org === org)
      .toSorted((a, b) => a.insertedAt - b.insertedAt || (a.id < b.id ? -1 : 1));
  }

  async orgs(): Promise<readonly string[]> {
    return [...new Set([...this.#rows.values()].map(({ org }) => org))].toSorted();
  }

  async revoke(id: string, at: EpochMs): Promise<boolean> {
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    this.#rows.set(id, { ...row, revokedAt: row.revokedAt ?? at });
    return true;
  }

  async touch(id: string, at: EpochMs): Promise<void> {
    const row = this.#rows.get(id);
    if (row === undefined || (row.lastUsedAt !== null && at < row.lastUsedAt + minuteMs)) return;
    this.#rows.set(id, { ...row, lastUsedAt: at });
  }

  #forget(before: EpochMs): void {
    for (const [id, { revokedAt, expiresAt }] of this.#rows) {
      const end = revokedAt ?? expiresAt;
      if (end !== null && end <= before) this.#rows.delete(id);
    }
  }

  #hashed(hash: string): TokenRow | null {
    for (const row of this.#rows.values()) if (row.hash === hash) return row;
    return null;
  }
}
